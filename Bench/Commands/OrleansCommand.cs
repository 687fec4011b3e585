using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Loads running silos.</summary>
internal static class OrleansCommand
{
    private static readonly int[] s_defaultClients = [256, 1];

    public static Command Create(BenchOptions options)
    {
        var command = new Command("orleans",
            "Puts and gets of running silos, by a shell's bench command in a process of its own.")
        {
            options.Kv, options.Clients, options.Seconds, options.WarmUp, options.Runs, options.Keys,
                options.ValueBytes, options.Seed,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(options.Kv) is not { Length: > 0 } shell)
            {
                await Console.Error.WriteLineAsync("--kv is missing; give the command that opens a shell on the "
                    + "silos.");
                return 2;
            }
            var table = new LoadTable();
            bool keysAreWritten = false;
            for (int run = 0; run < parsed.GetValue(options.Runs); run++)
            {
                foreach (int clients in parsed.GetValue(options.Clients) is { Length: > 0 } given
                    ? given
                    : s_defaultClients)
                {
                    foreach (LoadKind kind in Enum.GetValues<LoadKind>())
                    {
                        LoadPlan plan = options.Plan(parsed, clients);
                        table.Add("orleans", kind, clients,
                            await OrleansLoad.RunAsync(shell, kind, plan, !keysAreWritten, cancellation));
                        keysAreWritten |= kind != LoadKind.Put;
                    }
                }
            }
            table.Write(Console.Out);
            return 0;
        });
        return command;
    }
}
