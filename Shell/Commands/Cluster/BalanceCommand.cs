using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class BalanceCommand : ShellCommand
{
    public override string Name => "balance";

    public override string Usage => "balance on|off|status";

    public override string Summary => "Switches the evening out of load, or prints what the cluster does, and why.";

    public override string Details => """
        off keeps replicas and leaders where they are; replicas of lost nodes are replaced all the same.
        status prints, one a line:
        balance state=on|off
        under-way WHAT AND WHY
        recent WHAT AND WHY      newest first
        """;

    public override IReadOnlyList<string> Verbs => ["on", "off", "status"];

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override Task ExecuteAsync(ShellContext context, Arguments arguments, CancellationToken cancellationToken)
    {
        Word what = arguments[0];
        if (what.Equals("status"u8)) return PrintAsync(context, cancellationToken);
        bool on = what.Equals("on"u8);
        if (!on && !what.Equals("off"u8))
            throw new ShellException("BadArgument", $"{what.Quoted} is not known to balance; use on, off or status");
        return ControllerJob.RunAsync(
            context, new SwitchBalanceRequest(on), $"balance {(on ? "on" : "off")}", cancellationToken);
    }

    private static async Task PrintAsync(ShellContext context, CancellationToken cancellationToken)
    {
        AdministrationAnswer answer = await context.AskAsync(new BalanceStatusRequest(), cancellationToken);
        BalanceOverview balance = answer.Balance
            ?? throw new ShellException("Unavailable", "the controller did not say; try again");
        context.Output.Line($"balance state={(balance.IsOn ? "on" : "off")}");
        foreach (string what in balance.UnderWay) context.Output.Text($"under-way {what}");
        foreach (string what in balance.Recent) context.Output.Text($"recent {what}");
    }
}
