namespace Orleans.Raft.Shell;

internal sealed class PutCommand : ShellCommand
{
    public override string Name => "put";

    public override string Usage => "put K V [--cf CF]";

    public override string Summary => "Sets a key's value.";

    public override IReadOnlyList<OptionSpec> Options { get; } = [OptionSpec.Family];

    public override (int Min, int Max) ArgumentCount => (2, 2);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        await context.Store.PutAsync(arguments[0].Bytes, arguments[1].Bytes, arguments.Family, cancellationToken);
        context.Output.Ok();
    }
}
