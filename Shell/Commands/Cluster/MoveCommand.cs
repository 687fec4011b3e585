using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class MoveCommand : ShellCommand
{
    public override string Name => "move";

    public override string Usage => "move GROUP FROM TO";

    public override string Summary => "Moves the replica of GROUP on node FROM to node TO.";

    public override string Details =>
        "The new replica gets all data before it votes; then the old one goes. Prints a step a line, then OK.";

    public override (int Min, int Max) ArgumentCount => (3, 3);

    public override Task ExecuteAsync(ShellContext context, Arguments arguments, CancellationToken cancellationToken)
    {
        GroupId group = Fields.Group(arguments[0]);
        var request = new MoveReplicaRequest(group, Fields.Node(arguments[1]), Fields.Node(arguments[2]));
        return ControllerJob.RunAsync(context, request,
            $"move {group} {Fields.Typed(arguments[1])} {Fields.Typed(arguments[2])}", cancellationToken);
    }
}
