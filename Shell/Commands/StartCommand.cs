using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

internal sealed class StartCommand : FaultCommand
{
    public override string Name => "start";

    public override string Summary => "Starts a killed node again, with the data it has.";

    protected override Task ApplyAsync(IFaultControl faults, NodeName node, CancellationToken cancellationToken) =>
        faults.StartAsync(node, cancellationToken);
}
