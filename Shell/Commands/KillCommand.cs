using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class KillCommand : FaultCommand
{
    public override string Name => "kill";

    public override string Summary => "Crashes a node: what it had not flushed is lost.";

    protected override Task ApplyAsync(IFaultControl faults, NodeName node, CancellationToken cancellationToken) =>
        faults.KillAsync(node, cancellationToken);
}
