using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Nodes;

/// <summary>A replica that begins by a split meets one that is there already, is being opened, or goes.</summary>
public sealed class BirthTests
{
    private static readonly GroupId Child = new(2);
    private static readonly ReplicaId Id = new(1);

    // Its host opens nothing by itself, so that a test decides the order.
    private readonly StoreCluster _cluster = StoreCluster.Start(new StoreClusterOptions
    {
        PerNode = options => options with { ReplicaWanted = null },
    });
    private readonly StoreNode _node;

    public BirthTests() => _node = _cluster.Nodes[_cluster.Names[0]];

    [Fact]
    public void A_base_that_is_handed_over_while_its_replica_is_being_opened_is_not_missed()
    {
        _node.Create(Child, Id);
        Replica early = _cluster.Run(() => Replica.OpenAsync(_node, _node.FindOwn(Child)!, Lane));
        _node.BearChild(Id, Base(), isBesideLeader: false);
        Assert.False(_node.Adopt(early));
        Assert.Null(_node.Find(Child));
        Replica child = _cluster.Run(() => _node.OpenReplicaAsync(Child, Lane));
        Assert.Equal(Base().Descriptor, child.Descriptor);
        Assert.NotNull(early.StopReason);
    }

    private TaskScheduler Lane => _cluster.SchedulerOf(_node.Name);

    private GroupStateSnapshot Base() => new GroupState(new GroupDescriptor(Child, Bytes.Of("m"), [], 2, 1,
        [new ReplicaPlacement(Id, _node.Name)]), new StoreLimits()).Snapshot();
}
