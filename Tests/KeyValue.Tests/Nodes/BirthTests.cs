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

    [Fact]
    public void A_replica_that_is_told_to_go_stays_until_the_child_that_needs_its_log_has_a_snapshot()
    {
        _cluster.Put(_cluster.CreateClient(), "z", "v");
        Replica leader = _cluster.ReplicaOn(_cluster.Leader());
        SplitAnswer split = _cluster.Run(() => leader.SplitAsync(Bytes.Of("m"), Child));
        Assert.Equal(SplitStatus.Split, split.Status);
        _cluster.RunUntil(() => _node.FindOwn(Child) is not null, Seconds(5), "it is born");
        ReplicaId id = _cluster.ReplicaOn(_node.Name).Id;
        _cluster.ReplicaOn(_node.Name).LeaveFor("a test says so");
        _cluster.RunFor(Seconds(5));
        Assert.NotNull(_node.Find(First));
        // One opened, and the others, so that an entry is applied of which it can take one.
        foreach (StoreNode node in _cluster.Nodes.Values)
            _cluster.Run(() => node.OpenReplicaAsync(Child, _cluster.SchedulerOf(node.Name)));
        _cluster.RunUntil(() => _node.Find(First) is null, Seconds(20), "it is gone");
        Assert.Equal(id, _node.Storage.FindReplica(First).Removed);
        Assert.NotNull(_node.Storage.FindReplica(Child).Snapshot);
    }

    [Fact]
    public void A_message_that_comes_while_its_replica_is_being_removed_does_not_make_it_anew()
    {
        ReplicaId id = _cluster.ReplicaOn(_node.Name).Id;
        // Its first step is done at once; that its word is durable, it hears later.
        _cluster.Disks[_node.Name].Latency = operation => operation.Kind == DiskOperationKind.Flush
            ? new ValueTask(Task.Delay(Seconds(1), _cluster.Time))
            : ValueTask.CompletedTask;
        Running<bool> retiring = _cluster.Begin(() => _node.RetireReplicaAsync(First, id));
        _cluster.RunFor(Seconds(0.5));
        Assert.False(retiring.HasEnded);
        _node.Create(First, id);
        Assert.Null(_node.FindOwn(First));
        _cluster.RunUntil(() => retiring.HasEnded, Seconds(5), "it is gone");
        _node.Create(First, id);
        Assert.Null(_node.FindOwn(First));
        _node.Create(First, new ReplicaId(9));
        Assert.Equal(new ReplicaId(9), _node.FindOwn(First)!.Id);
    }

    private TaskScheduler Lane => _cluster.SchedulerOf(_node.Name);

    private GroupStateSnapshot Base() => new GroupState(new GroupDescriptor(Child, Bytes.Of("m"), [], 2, 1,
        [new ReplicaPlacement(Id, _node.Name)]), new StoreLimits()).Snapshot();
}
