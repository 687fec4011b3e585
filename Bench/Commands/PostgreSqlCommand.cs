using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Loads a cluster whose replicas are in PostgreSQL, beside what PostgreSQL does by itself.</summary>
internal static class PostgreSqlCommand
{
    private const int MaxClients = 1000;

    public static Command Create(BenchOptions options)
    {
        Option<int> runs = BenchOptions.Count("--runs", 1, 1000,
            "Rounds; each measures puts, gets and pgbench once. Medians are printed.", 5);
        Option<int> clients = BenchOptions.Count("--clients", 1, MaxClients,
            "Callers at once, each with one operation in flight, and connections of pgbench.", PostgresReport.Clients);
        Option<int> groups = BenchOptions.Count("--groups", 1, KeyValue.StoreNodeOptions.MaxGroups, "How many groups.",
            EmbeddedLoad.DefaultGroups);
        var protocol = new Option<PgbenchProtocol>("--pgbench-protocol")
        {
            Description = "How pgbench asks: simple (as it does by itself), extended, prepared.",
            DefaultValueFactory = _ => PgbenchProtocol.Simple,
        };
        var command = new Command("postgresql", "Puts and gets of a cluster in this process, three nodes, each with its "
            + "replicas in a PostgreSQL server of its own, in turn with single-row upserts by pgbench on one of the "
            + "three. The servers are started for it, and removed afterwards.")
        {
            runs, clients, groups, protocol, options.Seconds, options.WarmUp, options.Keys, options.ValueBytes,
            options.Seed, options.Data,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            LoadPlan plan = options.Plan(parsed, parsed.GetValue(clients));
            string data = parsed.GetValue(options.Data)!;
            var report = new PostgresReport(plan);
            await using (PostgresLoad load =
                await PostgresLoad.StartAsync(data, parsed.GetValue(groups), plan, cancellation))
            {
                for (int run = 0; run < parsed.GetValue(runs); run++)
                {
                    report.AddPut(await load.RunAsync(LoadKind.Put, plan, cancellation));
                    report.AddGet(await load.RunAsync(LoadKind.Get, plan, cancellation));
                    report.AddPgbench(await load.RunPgbenchAsync(parsed.GetValue(protocol), plan, cancellation));
                }
            }
            Console.WriteLine($"{MachineFacts.Describe(data)}; {plan.Keys:N0} keys, values of {plan.ValueBytes} bytes, "
                + $"{parsed.GetValue(groups)} groups, pgbench with {parsed.GetValue(protocol)} statements");
            Console.WriteLine();
            report.Write(Console.Out);
        });
        return command;
    }
}
