using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class NodesCommand : ShellCommand
{
    public override string Name => "nodes";

    public override string Usage => "nodes";

    public override string Summary => "Prints the nodes with what they hold, one a line.";

    public override string Details => """
        node node-1 zone= state=up|suspect|gone|draining|removed replicas= leaders= bytes=
        suspect: it has not reported for some seconds; gone: for so long that its replicas are replaced elsewhere.
        bytes= counts the keys and values of its replicas. An empty zone= is none. Blanks in values print as \x20.
        """;

    public override (int Min, int Max) ArgumentCount => (0, 0);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        AdministrationAnswer answer = await context.AskAsync(new ListNodesRequest(), cancellationToken);
        foreach (NodeOverview node in answer.Nodes)
        {
            context.Output.Line($"node {Fields.Of(node.Name.Value)} zone={Fields.Of(node.Zone)} "
                + FormattableString.Invariant($"state={NameOf(node.State)} replicas={node.Replicas} ")
                + FormattableString.Invariant($"leaders={node.Leaders} bytes={node.Bytes}"));
        }
    }

    private static string NameOf(NodeState state) => state switch
    {
        NodeState.Up => "up",
        NodeState.Suspect => "suspect",
        NodeState.Gone => "gone",
        NodeState.Draining => "draining",
        NodeState.Removed => "removed",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "no such state of a node"),
    };
}
