using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class GetCommand : ShellCommand
{
    public override string Name => "get";

    public override string Usage => "get K [--cf CF] [--consistency linearizable|lease|stale] [--raw]";

    public override string Summary => "Prints a key's value, or (nil).";

    public override string Details =>
        "--raw writes the value's bytes alone, without escapes or newline. A stored value (nil) prints \\x28nil).";

    public override IReadOnlyList<OptionSpec> Options { get; } =
        [OptionSpec.Family, OptionSpec.Consistency, new("raw", TakesValue: false)];

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        var options = new ReadOptions(arguments.Family, arguments.Consistency);
        ReadOnlyMemory<byte>? value = await context.Store.GetAsync(arguments[0].Bytes, options, cancellationToken);
        if (value is not { } found) context.Output.Nil();
        else if (arguments.Has("raw")) context.Output.Raw(found.Span);
        else context.Output.Value(found.Span);
    }
}
