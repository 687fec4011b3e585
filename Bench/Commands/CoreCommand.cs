using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Measures the consensus core alone.</summary>
internal static class CoreCommand
{
    private static readonly int[] s_batches = [1, 8, CoreFigures.EntriesPerBatch, 512];

    public static Command Create(BenchOptions options)
    {
        var command =
            new Command("core", "Entries that three replicas commit in memory, on one thread, without storage.")
        {
            options.Seconds, options.Runs, options.ValueBytes,
        };
        command.SetAction(parsed =>
        {
            var table =
                new MarkdownTable("entries per batch", "committed/s", "bytes allocated per entry beyond its payload",
                $"and beyond {CoreResult.SlotBytes} bytes of log slots");
            foreach (int batch in s_batches)
            {
                var rate = new Samples();
                var bytes = new Samples();
                var others = new Samples();
                for (int run = 0; run < parsed.GetValue(options.Runs); run++)
                {
                    CoreResult result = CoreBenchmark.Run(
                        parsed.GetValue(options.ValueBytes), batch,
                        TimeSpan.FromSeconds(parsed.GetValue(options.Seconds)));
                    rate.Add(result.CommittedPerSecond);
                    bytes.Add(result.BytesPerEntry);
                    others.Add(result.OtherBytesPerEntry);
                }
                table.Add($"{batch}", rate.ToString("N0"), bytes.ToString("0.0"), others.ToString("0.0"));
            }
            table.Write(Console.Out);
        });
        return command;
    }
}
