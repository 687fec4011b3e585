using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Measures everything, turn by turn, and puts it beside what is to be reached.</summary>
internal static class FiguresCommand
{
    private const int DefaultRuns = 5;
    private static readonly string[] s_parts = ["flush", "core", "etcd", "orleans", "embedded", "memory"];

    public static Command Create(BenchOptions options)
    {
        Option<int> runs = BenchOptions.Count("--runs", 1, 1000,
            "Rounds; each measures every part once. Medians are printed.", DefaultRuns);
        Option<int> memoryKeys =
            BenchOptions.Count("--memory-keys", 1, 100_000_000, "Keys of the memory part.", 1_000_000);
        var parts = new Option<string[]>("--parts")
        {
            Description = $"What to measure: {string.Join(", ", s_parts)}. etcd needs --etcd, orleans needs --kv.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => s_parts,
        };
        parts.AcceptOnlyFromAmong(s_parts);
        var command = new Command("figures", "All figures in one table, each beside what is to be reached.")
        {
            runs, parts, memoryKeys, options.Etcd, options.EtcdTarget, options.EtcdConnections, options.Kv,
            options.Seconds, options.WarmUp, options.Keys, options.ValueBytes, options.Seed, options.Data,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var run = new FigureRun(new FigureRunOptions(
                [.. parsed.GetValue(parts)!], parsed.GetValue(runs), parsed.GetValue(memoryKeys),
                    options.EtcdOptions(parsed),
                parsed.GetValue(options.Kv), options.Plan(parsed, clients: FigureReport.Many),
                    parsed.GetValue(options.Data)!));
            await run.RunAsync(cancellation);
            run.WriteConditions(Console.Out);
            Console.WriteLine();
            var report = new FigureReport(run.Figures);
            report.Write(Console.Out);
            Console.WriteLine();
            Console.WriteLine($"Missed: {report.Missed}.");
        });
        return command;
    }
}
