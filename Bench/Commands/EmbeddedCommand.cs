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
        var groups = new Option<int[]>("--groups")
        {
            Description = "Groups; several numbers are measured in turn within each run.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [EmbeddedLoad.DefaultGroups],
        };
        groups.Validators.Add(result =>
        {
            if (result.GetValue(groups)!.Any(count => count is < 1 or > KeyValue.StoreNodeOptions.MaxGroups))
                result.AddError($"--groups must be 1 to {KeyValue.StoreNodeOptions.MaxGroups}.");
        });
        var command = new Command("embedded",
            "Puts and gets of a cluster in this process: three nodes, flushed to the disk.")
        {
            kinds, groups, options.Clients, options.Seconds, options.WarmUp, options.Runs, options.Keys, options.ValueBytes,
                options.Seed, options.Data,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var table = new LoadTable();
            foreach (int count in Enumerable.Repeat(parsed.GetValue(groups)!, parsed.GetValue(options.Runs))
                .SelectMany(counts => counts))
            {
                await using EmbeddedLoad load =
                    await EmbeddedLoad.StartAsync(parsed.GetValue(options.Data)!, cancellation, count);
                await load.FillAsync(options.Plan(parsed, clients: 1), cancellation);
                foreach (int clients in parsed.GetValue(options.Clients) is { Length: > 0 } given
                    ? given
                    : s_defaultClients)
                {
                    foreach (LoadKind kind in parsed.GetValue(kinds)!)
                        table.Add($"embedded, {count} groups", kind, clients,
                            await load.RunAsync(kind, options.Plan(parsed, clients), cancellation));
                }
            }
            table.Write(Console.Out);
        });
        return command;
    }
}
