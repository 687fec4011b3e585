using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class BenchCommand : ShellCommand
{
    private const int MaxKeys = 100_000_000; // As many as the eight digits of a key can tell apart.
    private const int MaxValueBytes = 1 << 20;
    private const double MaxSeconds = 86_400;

    public override string Name => "bench";

    public override string Usage => "bench put|get|mixed [--clients N] [--seconds S] [--value-bytes B] [--keys K] " +
        "[--consistency C] [--cf CF] [--warmup S] [--seed N] [--no-load] [--json]";

    public override string Summary => "Measures throughput and latency under load; overwrites its own keys only.";

    public override string Details => """
        Defaults: 64 clients, 10 s, values of 256 bytes, 10000 keys, linearizable, no warm-up, seed 1.
        The keys are !key-00000000, "key-00000001, ... with first bytes spread over printable ASCII; they stay behind.
        get and mixed (half of each) write all keys before measuring, unless --no-load is given.
        --json prints one line: ops_per_s, p50_ms, p99_ms, p999_ms, errors, seconds, operations, groups.
        """;

    public override IReadOnlyList<OptionSpec> Options { get; } =
    [
        OptionSpec.Family, OptionSpec.Consistency, new("clients", TakesValue: true), new("seconds", TakesValue: true),
        new("value-bytes", TakesValue: true), new("keys", TakesValue: true), new("warmup", TakesValue: true),
        new("seed", TakesValue: true), new("no-load", TakesValue: false), new("json", TakesValue: false),
    ];

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        BenchPlan plan = Plan(arguments);
        ClusterStatus status = await context.GetStatusAsync(cancellationToken);
        var bench = new Bench(context.Store, plan, new GroupFinder(status.Groups), context.Options.TimeProvider);
        LoadResult? result = null;
        await context.Output.WithProgressAsync("bench", async progress =>
        {
            if (plan.LoadsKeys) await bench.LoadKeysAsync(progress, cancellationToken);
            result = await bench.MeasureAsync(progress, cancellationToken);
        });
        IEnumerable<string> report = BenchReport.Lines(plan, result!, bench.Groups, arguments.Has("json"));
        foreach (string line in report) context.Output.Line(line);
    }

    private static BenchPlan Plan(Arguments arguments)
    {
        Word kind = arguments[0];
        if (!kind.Equals("put"u8) && !kind.Equals("get"u8) && !kind.Equals("mixed"u8))
        {
            throw new ShellException("BadArgument", $"{kind.Quoted} cannot be measured; use put, get or mixed");
        }
        return new BenchPlan(
            kind.ToText("the kind"),
            Clients: (int)arguments.Integer("clients", min: 1, max: 4096, absent: 64),
            Duration: arguments.Seconds("seconds", min: 0.1, max: MaxSeconds, absent: 10),
            WarmUp: arguments.Seconds("warmup", min: 0, max: MaxSeconds, absent: 0),
            ValueBytes: (int)arguments.Integer("value-bytes", min: 0, max: MaxValueBytes, absent: 256),
            Keys: (int)arguments.Integer("keys", min: 1, max: MaxKeys, absent: 10_000),
            Seed: (ulong)arguments.Integer("seed", min: 0, max: long.MaxValue, absent: 1),
            arguments.Family, arguments.Consistency,
            LoadsKeys: !kind.Equals("put"u8) && !arguments.Has("no-load"));
    }
}
