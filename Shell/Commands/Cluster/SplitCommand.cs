using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class SplitCommand : ShellCommand
{
    /// <summary>No store's limits allow more; the controller knows its own.</summary>
    private const int MostKeyBytes = 1 << 16;

    public override string Name => "split";

    public override string Usage => "split KEY";

    public override string Summary => "Divides the group that holds KEY in two; the second one begins with KEY.";

    public override string Details => "A key that a group begins with already is refused.";

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        Word key = arguments[0];
        if (key.Bytes.IsEmpty)
        {
            throw new ShellException("EmptyKey",
                "the key is empty, and the first group begins with it already; give it a byte at least");
        }
        if (key.Bytes.Length > MostKeyBytes)
        {
            throw new ShellException("KeyTooLarge",
                $"the key has {key.Bytes.Length} bytes; no key has more than {MostKeyBytes}");
        }
        // What was read may be the line's own buffer, and the request outlives an interrupted command.
        await ControllerJob.RunAsync(context, new SplitRequest(key.Bytes.ToArray()), $"split {Fields.Typed(key)}",
            cancellationToken);
    }
}
