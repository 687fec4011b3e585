using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class IsolateCommand : FaultCommand
{
    public override string Name => "isolate";

    public override string Summary => "Cuts a node off from all others, in both directions.";

    protected override Task ApplyAsync(IFaultControl faults, NodeName node, CancellationToken cancellationToken) =>
        faults.IsolateAsync(node, cancellationToken);
}
