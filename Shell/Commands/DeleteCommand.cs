namespace Orleans.Raft.Shell;

internal sealed class DeleteCommand : ShellCommand
{
    public override string Name => "del";

    public override string Usage => "del K [--cf CF]";

    public override string Summary => "Removes a key; OK also if there was none.";

    public override IReadOnlyList<OptionSpec> Options { get; } = [OptionSpec.Family];

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        await context.Store.DeleteAsync(arguments[0].Bytes, arguments.Family, cancellationToken);
        context.Output.Ok();
    }
}
