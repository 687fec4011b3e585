using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Loads an embedded cluster.</summary>
internal static class EmbeddedCommand
{
    private static readonly int[] s_defaultClients = [256, 4096, 1];

    public static Command Create(BenchOptions options)
    {
        var kinds = new Option<LoadKind[]>("--kinds")
        {
            Description = "What is done: put, get, leaseGet.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => Enum.GetValues<LoadKind>(),
        };
        var command = new Command("embedded",
            "Puts and gets of a cluster in this process: three nodes, four groups, flushed to the disk.")
        {
            kinds, options.Clients, options.Seconds, options.WarmUp, options.Runs, options.Keys, options.ValueBytes,
                options.Seed, options.Data,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var table = new LoadTable();
            for (int run = 0; run < parsed.GetValue(options.Runs); run++)
            {
                await using EmbeddedLoad load =
                    await EmbeddedLoad.StartAsync(parsed.GetValue(options.Data)!, cancellation);
                await load.FillAsync(options.Plan(parsed, clients: 1), cancellation);
                foreach (int clients in parsed.GetValue(options.Clients) is { Length: > 0 } given
                    ? given
                    : s_defaultClients)
                {
                    foreach (LoadKind kind in parsed.GetValue(kinds)!)
                        table.Add("embedded", kind, clients,
                            await load.RunAsync(kind, options.Plan(parsed, clients), cancellation));
                }
            }
            table.Write(Console.Out);
        });
        return command;
    }
}
