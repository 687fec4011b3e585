namespace Orleans.Raft.Shell;

internal sealed class ExitCommand : ShellCommand
{
    public override string Name => "exit";

    public override string Usage => "exit";

    public override string Summary => "Ends the session: exit code 0, or 1 if any command printed ERR.";

    public override (int Min, int Max) ArgumentCount => (0, 0);

    public override Task ExecuteAsync(ShellContext context, Arguments arguments, CancellationToken cancellationToken)
    {
        context.ExitRequested = true;
        return Task.CompletedTask;
    }
}
