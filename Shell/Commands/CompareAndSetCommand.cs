using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class CompareAndSetCommand : ShellCommand
{
    public override string Name => "cas";

    public override string Usage => "cas K EXPECTED NEW [--cf CF]";

    public override string Summary => "Replaces a value if it is EXPECTED: OK, or MISMATCH and what it is.";

    public override string Details =>
        "A bare (nil) as EXPECTED: the key must be missing; as NEW: the key is removed. Quoted, '(nil)' is data.";

    public override IReadOnlyList<OptionSpec> Options { get; } = [OptionSpec.Family];

    public override (int Min, int Max) ArgumentCount => (3, 3);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        CompareAndSetResult result = await context.Store.CompareAndSetAsync(arguments[0].Bytes, ValueOf(arguments[1]),
            ValueOf(arguments[2]), arguments.Family, cancellationToken);
        if (result.Applied) context.Output.Ok();
        else context.Output.Mismatch(result.Current);
    }

    // Not `? null :`, which would become an empty memory: null converts to it.
    private static ReadOnlyMemory<byte>? ValueOf(Word word) => word.IsNil ? default(ReadOnlyMemory<byte>?) : word.Bytes;
}
