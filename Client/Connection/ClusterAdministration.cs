using Microsoft.Extensions.Options;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Client;

/// <summary>The cluster's status, through any gateway that answers.</summary>
internal sealed class ClusterAdministration(
    IClusterClient cluster, ClusterConnection connection, IOptions<OrleansRaftClientOptions> options)
    : IClusterAdministration
{
    private const int Attempts = 3;

    private int _key;

    public async Task<ClusterStatus> GetStatusAsync(CancellationToken cancellationToken = default)
    {
        Exception? last = null;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            Task<ClusterViewMessage> call = cluster.GetGrain<IRouterGrain>(Interlocked.Increment(ref _key) & 63)
                .GetStatus();
            await ((Task)call).WaitAsync(options.Value.StatusTimeout, cancellationToken)
                .ConfigureAwait(
                    ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            cancellationToken.ThrowIfCancellationRequested();
            if (!call.IsCompletedSuccessfully)
            {
                last = call.Exception?.InnerException;
                continue;
            }
            ClusterViewMessage view = await call;
            if (view.Formation is { } formation)
                return ClusterView.Merge(FormationRecord.Decode(formation), [.. view.Silos.Select(ToView)]);
            throw new UnavailableException("The cluster has not formed yet: start all of its silos.");
        }
        throw new UnavailableException("No gateway told the cluster's status "
            + $"({last?.Message ?? "no answer in time"}). Check that a silo can be reached.");
    }

    public Task<AdministrationAnswer> AdministerAsync(
        AdministrationRequest request, CancellationToken cancellationToken = default) =>
        new AdministrationClient(connection, TimeProvider.System, options.Value.Client.Timeout)
            .AskAsync(request, cancellationToken);

    private static NodeView ToView(SiloViewMessage silo)
    {
        var name = new NodeName(silo.Silo);
        return silo.Node is { } node
            ? new NodeView(name,
                new NodeStatus(name, IsUp: true, node.LogBytes, node.Snapshots, node.MemoryBytes, node.Problem,
                    silo.Host),
                [.. silo.Peers.Select(p => ToView(name, p))])
            : new NodeView(name, new NodeStatus(name, IsUp: false, 0, 0, 0, Silo: silo.Host));
    }

    private static ReplicaView ToView(NodeName node, PeerInfo peer) => new(
        new ReplicaStatus(new GroupId(peer.Group), node, peer.Role, new Term(peer.Term), new LogIndex(peer.Commit),
        new LogIndex(peer.Applied), peer.Reason),
        GroupDescriptor.Decode(peer.Descriptor), peer.Leader is { } leader ? new NodeName(leader) : null);
}
