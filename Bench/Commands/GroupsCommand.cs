using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>Measures what many groups cost while nobody uses them.</summary>
internal static class GroupsCommand
{
    public static Command Create(BenchOptions options)
    {
        Option<int> groups = Groups();
        var command = new Command("groups",
            "An embedded cluster of three nodes with many groups: formation, restart, and the cost of doing nothing.")
        {
            groups, options.Runs, options.Seconds, options.WarmUp, options.Data,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var table = new MarkdownTable("groups", "", "to serving s", "idle CPU % of a core", "messages/s",
                "resident MB", "heap MB", "after a write to each: to answered s", "idle again CPU %", "messages/s");
            for (int run = 0; run < parsed.GetValue(options.Runs); run++)
            {
                (GroupsResult formed, GroupsResult restarted) = await GroupsBenchmark.RunAsync(
                    parsed.GetValue(options.Data)!, parsed.GetValue(groups), parsed.GetValue(options.WarmUp),
                    parsed.GetValue(options.Seconds), cancellation);
                Add(table, parsed.GetValue(groups), "formation", formed);
                Add(table, parsed.GetValue(groups), "restart", restarted);
            }
            table.Write(Console.Out);
        });
        return command;
    }

    /// <summary>What the processes run that <see cref="Create"/>'s command starts.</summary>
    public static Command CreateStep(BenchOptions options)
    {
        Option<int> groups = Groups();
        var command = new Command(GroupsBenchmark.StepCommand, "A part of the groups command.")
        {
            groups, options.Seconds, options.WarmUp, options.Data,
        };
        command.Hidden = true;
        command.SetAction((parsed, cancellation) => GroupsBenchmark.ServeAsync(parsed.GetValue(options.Data)!,
            parsed.GetValue(groups), parsed.GetValue(options.WarmUp), parsed.GetValue(options.Seconds), cancellation));
        return command;
    }

    private static void Add(MarkdownTable table, int groups, string step, GroupsResult result) => table.Add(
        $"{groups:N0}", step, $"{result.ServingSeconds:0.0}", $"{result.Idle.CpuPercent:0.00}",
        $"{result.Idle.MessagesPerSecond:N0}", $"{result.ResidentBytes / 1e6:N0}", $"{result.HeapBytes / 1e6:N0}",
        $"{result.WriteSeconds:0.0}", $"{result.IdleAgain.CpuPercent:0.00}",
        $"{result.IdleAgain.MessagesPerSecond:N0}");

    private static Option<int> Groups() =>
        BenchOptions.Count("--groups", 1, KeyValue.StoreNodeOptions.MaxGroups, "How many groups.", 1000);
}
