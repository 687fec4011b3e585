using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class HealCommand : ShellCommand
{
    public override string Name => "heal";

    public override string Usage => "heal";

    public override string Summary => "Ends every isolation; killed nodes stay down.";

    public override string Details => "Only the embedded host can do this.";

    public override (int Min, int Max) ArgumentCount => (0, 0);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        IFaultControl faults = context.RequireFaults();
        await context.WithinAsync("heal", context.Options.FaultTimeout, async stop =>
        {
            await faults.HealAsync(stop);
            return true;
        }, cancellationToken);
        context.Output.Ok();
    }
}
