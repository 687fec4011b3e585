using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class BatchCommand : ShellCommand
{
    public override string Name => "batch";

    public override string Usage => "batch put A 1 put B 2 del C ... [--cf CF]";

    public override string Summary => "Applies several writes as one, all or none; the keys must lie in one group.";

    public override IReadOnlyList<OptionSpec> Options { get; } = [OptionSpec.Family];

    public override (int Min, int Max) ArgumentCount => (2, int.MaxValue);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        await context.Store.BatchAsync(Operations(arguments), cancellationToken);
        context.Output.Ok();
    }

    private static List<WriteOperation> Operations(Arguments arguments)
    {
        ColumnFamily family = arguments.Family;
        var operations = new List<WriteOperation>();
        int index = 0;
        while (index < arguments.Count)
        {
            Word verb = arguments[index];
            bool isPut = verb.Equals("put"u8);
            if (!isPut && !verb.Equals("del"u8))
            {
                throw new ShellException("BadArgument",
                    $"argument {index + 1} is {verb.Quoted} where put or del must stand; usage: batch put A 1 del B");
            }
            int length = isPut ? 3 : 2;
            if (index + length > arguments.Count)
            {
                throw new ShellException("BadArgument",
                    $"argument {index + 1}, {verb.Quoted}, lacks {(isPut ? "its key or value" : "its key")}; add it");
            }
            ReadOnlyMemory<byte>? value = isPut ? arguments[index + 2].Bytes : default(ReadOnlyMemory<byte>?);
            operations.Add(new WriteOperation(arguments[index + 1].Bytes, value, family));
            index += length;
        }
        return operations;
    }
}
