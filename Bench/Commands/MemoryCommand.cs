using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Measures what many keys cost, and a restart with them.</summary>
internal static class MemoryCommand
{
    public static Command Create(BenchOptions options)
    {
        Option<int> keys = Keys();
        var command = new Command("memory",
            "Memory of an embedded cluster that holds many keys of 16 + 256 bytes, and its restart.")
        {
            keys, options.Runs, options.Data,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var table = new MarkdownTable("keys", "fill s", "resident GB", "peak GB", "restart to serving s",
                "resident after it GB");
            for (int run = 0; run < parsed.GetValue(options.Runs); run++)
            {
                MemoryResult result =
                    await MemoryBenchmark.RunAsync(parsed.GetValue(options.Data)!, parsed.GetValue(keys), cancellation);
                table.Add($"{parsed.GetValue(keys):N0}", $"{result.FillSeconds:0.0}",
                    $"{result.ResidentBytes / 1e9:0.00}",
                    $"{result.PeakBytes / 1e9:0.00}", $"{result.RestartSeconds:0.0}",
                    $"{result.ResidentAfterRestartBytes / 1e9:0.00}");
            }
            table.Write(Console.Out);
        });
        return command;
    }

    /// <summary>What the processes run that <see cref="Create"/>'s command starts.</summary>
    public static Command CreateStep(BenchOptions options)
    {
        Option<int> keys = Keys();
        var step = new Argument<string>("step");
        step.AcceptOnlyFromAmong(MemoryBenchmark.FillStep, MemoryBenchmark.ServeStep);
        var command =
            new Command(MemoryBenchmark.StepCommand, "A part of the memory command.") { step, keys, options.Data };
        command.Hidden = true;
        command.SetAction((parsed, cancellation) => parsed.GetValue(step) == MemoryBenchmark.FillStep
            ? MemoryBenchmark.FillAsync(parsed.GetValue(options.Data)!, parsed.GetValue(keys), cancellation)
            : MemoryBenchmark.ServeAsync(parsed.GetValue(options.Data)!, parsed.GetValue(keys), cancellation));
        return command;
    }

    private static Option<int> Keys() => BenchOptions.Count("--keys", 1, 100_000_000, "How many keys.", 1_000_000);
}
