using System.CommandLine;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Bench;

/// <summary>How long the disk takes to flush.</summary>
internal static class FlushCommand
{
    private static readonly int[] s_files = [1, 3];

    public static Command Create(BenchOptions options)
    {
        var command = new Command("flush",
            "The disk's flush latency: 4 KiB written and flushed, by one file and by three files at once.")
        {
            options.Seconds, options.Data,
        };
        command.SetAction(parsed =>
        {
            var table = new MarkdownTable("files", "p50 ms", "p99 ms", "max ms", "flushes/s");
            foreach (int files in s_files)
            {
                var duration = TimeSpan.FromSeconds(parsed.GetValue(options.Seconds));
                LatencyHistogram latency = FlushProbe.Run(parsed.GetValue(options.Data)!, files, duration);
                table.Add($"{files}", $"{latency.QuantileMilliseconds(0.5):0.000}",
                    $"{latency.QuantileMilliseconds(0.99):0.000}",
                    $"{latency.QuantileMilliseconds(1):0.000}", $"{latency.Count / duration.TotalSeconds:N0}");
            }
            table.Write(Console.Out);
        });
        return command;
    }
}
