using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class TransferCommand : ShellCommand
{
    public override string Name => "transfer";

    public override string Usage => "transfer GROUP NODE";

    public override string Summary => "Lets the replica on NODE lead GROUP.";

    public override string Details => "While balance is on, the cluster may choose another leader later.";

    public override (int Min, int Max) ArgumentCount => (2, 2);

    public override Task ExecuteAsync(ShellContext context, Arguments arguments, CancellationToken cancellationToken)
    {
        GroupId group = Fields.Group(arguments[0]);
        return ControllerJob.RunAsync(context, new TransferLeaderRequest(group, Fields.Node(arguments[1])),
            $"transfer {group} {Fields.Typed(arguments[1])}", cancellationToken);
    }
}
