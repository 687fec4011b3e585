using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class ScanCommand : ShellCommand
{
    public override string Name => "scan";

    public override string Usage =>
        "scan START END [--limit N] [--reverse] [--cf CF] [--consistency linearizable|lease|stale]";

    public override string Summary => "Prints the keys from START to before END, then (N rows).";

    public override string Details => """
        START is inclusive and END exclusive, also with --reverse, which only turns the order round; "" is unbounded.
        Each line is the key, a tab, and the value.
        Crosses groups in order; each group's part is linearizable at its own moment.
        """;

    public override IReadOnlyList<OptionSpec> Options { get; } =
    [
        OptionSpec.Family, OptionSpec.Consistency, new("limit", TakesValue: true), new("reverse", TakesValue: false),
    ];

    public override (int Min, int Max) ArgumentCount => (2, 2);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        int limit = (int)arguments.Integer("limit", min: 1, max: int.MaxValue, absent: 0);
        var options = new ScanOptions(arguments.Family, arguments.Consistency, limit, arguments.Has("reverse"));
        ReadOnlyMemory<byte> start = arguments[0].Bytes;
        ReadOnlyMemory<byte> end = arguments[1].Bytes;
        long rows = 0;
        bool isEmptyRange = !end.IsEmpty && start.Span.SequenceCompareTo(end.Span) >= 0;
        if (!isEmptyRange)
        {
            await foreach (KeyValueEntry entry in context.Store.ScanAsync(start, end, options, cancellationToken))
            {
                context.Output.Row(entry.Key.Span, entry.Value.Span);
                rows++;
                await context.Output.FlushIfFullAsync();
            }
        }
        context.Output.Line($"({rows} rows)");
    }
}
