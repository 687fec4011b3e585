using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Measures the ordered map alone.</summary>
internal static class MapCommand
{
    public static Command Create(BenchOptions options)
    {
        Option<int> keys = BenchOptions.Count("--keys", 1, 100_000_000, "How many keys.", 1_000_000);
        var command = new Command("map", "Operations of the ordered map, on one thread.") { keys, options.ValueBytes,
            options.Runs, options.Seed };
        command.SetAction(parsed =>
        {
            var rows = new List<(string Operation, Samples Nanoseconds)>();
            for (int run = 0; run < parsed.GetValue(options.Runs); run++)
            {
                foreach ((string operation, double nanoseconds) in MapBenchmark.Run(
                    parsed.GetValue(keys), parsed.GetValue(options.ValueBytes), (ulong)parsed.GetValue(options.Seed)))
                {
                    if (run == 0) rows.Add((operation, new Samples()));
                    rows.Find(row => row.Operation == operation).Nanoseconds.Add(nanoseconds);
                }
            }
            var table = new MarkdownTable("operation", "ns per key", "keys/s");
            foreach ((string operation, Samples nanoseconds) in rows)
                table.Add(operation, nanoseconds.ToString("0"), $"{1e9 / nanoseconds.Median:N0}");
            table.Write(Console.Out);
        });
        return command;
    }
}
