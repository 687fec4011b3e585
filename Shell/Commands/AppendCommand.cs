namespace Orleans.Raft.Shell;

internal sealed class AppendCommand : ShellCommand
{
    public override string Name => "append";

    public override string Usage => "append K V [--cf CF]";

    public override string Summary => "Adds bytes at the end of a key's value; a missing key counts as empty.";

    public override IReadOnlyList<OptionSpec> Options { get; } = [OptionSpec.Family];

    public override (int Min, int Max) ArgumentCount => (2, 2);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        await context.Store.AppendAsync(arguments[0].Bytes, arguments[1].Bytes, arguments.Family, cancellationToken);
        context.Output.Ok();
    }
}
