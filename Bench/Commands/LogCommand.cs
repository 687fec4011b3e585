using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Measures the write-ahead log alone.</summary>
internal static class LogCommand
{
    private const int Groups = 4;
    private static readonly int[] s_defaultClients = [1, 16, 256, 4096];

    public static Command Create(BenchOptions options)
    {
        var command = new Command("log",
            $"Appends to one node's write-ahead log, by writers of {Groups} groups that each wait for the flush.")
        {
            options.Clients, options.Seconds, options.WarmUp, options.Runs, options.ValueBytes, options.Seed,
                options.Data,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var table = new LoadTable();
            for (int run = 0; run < parsed.GetValue(options.Runs); run++)
            {
                foreach (int clients in parsed.GetValue(options.Clients) is { Length: > 0 } given
                    ? given
                    : s_defaultClients)
                {
                    using ScratchDirectory directory = ScratchDirectory.Create(parsed.GetValue(options.Data)!, "log");
                    await using LogBenchmark log = await LogBenchmark.OpenAsync(directory.Path, Groups);
                    table.Add("log", "append", clients,
                        await log.RunAsync(options.Plan(parsed, clients) with { Keys = 1 }, cancellation));
                }
            }
            table.Write(Console.Out);
        });
        return command;
    }
}
