using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Loads an etcd.</summary>
internal static class EtcdCommand
{
    private static readonly int[] s_defaultClients = [256, 1];
    private static readonly LoadKind[] s_kinds = [LoadKind.Put, LoadKind.Get];

    public static Command Create(BenchOptions options)
    {
        var command = new Command("etcd", "Puts and linearizable gets of an etcd, over its gRPC API.")
        {
            options.Etcd, options.EtcdTarget, options.EtcdConnections, options.Clients, options.Seconds, options.WarmUp,
            options.Runs, options.Keys, options.ValueBytes, options.Seed,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (options.EtcdOptions(parsed) is not { } etcd)
            {
                await Console.Error.WriteLineAsync("--etcd is missing; start one with Bench/etcd-cluster start, which "
                    + "prints its endpoints.");
                return 2;
            }
            await EtcdLoad.FillAsync(etcd, options.Plan(parsed, clients: 1), cancellation);
            var table = new LoadTable();
            for (int run = 0; run < parsed.GetValue(options.Runs); run++)
            {
                foreach (int clients in parsed.GetValue(options.Clients) is { Length: > 0 } given
                    ? given
                    : s_defaultClients)
                {
                    foreach (LoadKind kind in s_kinds)
                        table.Add("etcd", kind, clients,
                            await EtcdLoad.RunAsync(etcd, kind, options.Plan(parsed, clients), cancellation));
                }
            }
            table.Write(Console.Out);
            return 0;
        });
        return command;
    }
}
