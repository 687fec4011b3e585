using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class StatusCommand : ShellCommand
{
    public override string Name => "status";

    public override string Usage => "status";

    public override string Summary => "Prints groups, replicas and nodes, one a line.";

    public override string Details => """
        group g1 start= end= leader= term= commit=
        replica g1 node-1 role= term= commit= applied=      and reason= if role=failed
        node node-1 state=up|down log_bytes= snapshots= memory_bytes=      and problem= if it has one
        node slot-1 ... silo=silo-2      where nodes are slots: the silo that hosts it
        An empty start= or end= is unbounded, an empty leader= unknown. Blanks in values print as \x20.
        """;

    public override (int Min, int Max) ArgumentCount => (0, 0);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        ClusterStatus status = await context.GetStatusAsync(cancellationToken);
        foreach (GroupStatus group in status.Groups)
        {
            context.Output.Line($"group {group.Group} start={Fields.Of(group.Start.Span)} " +
                $"end={Fields.Of(group.End.Span)} leader={Fields.Of(group.Leader?.Value)} term={group.Term.Value} commit={group.Commit.Value}");
        }
        foreach (ReplicaStatus replica in status.Replicas)
        {
            context.Output.Line($"replica {replica.Group} {Fields.Of(replica.Node.Value)} role={replica.Role} " +
                $"term={replica.Term.Value} commit={replica.Commit.Value} applied={replica.Applied.Value}" +
                (replica.Reason is null ? "" : $" reason={Fields.Of(replica.Reason)}"));
        }
        foreach (NodeStatus node in status.Nodes)
        {
            string state = node.IsUp ? "up" : "down";
            context.Output.Line($"node {Fields.Of(node.Node.Value)} state={state} log_bytes={node.LogBytes} " +
                $"snapshots={node.Snapshots} memory_bytes={node.MemoryBytes}" +
                (node.Silo is null ? "" : $" silo={Fields.Of(node.Silo)}") +
                (node.Problem is null ? "" : $" problem={Fields.Of(node.Problem)}"));
        }
    }
}
