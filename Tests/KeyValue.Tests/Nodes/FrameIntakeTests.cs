using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Nodes;

/// <summary>Frames that are not for this node, from a stranger, or damaged are refused and counted, and change
/// nothing.</summary>
public class FrameIntakeTests
{
    private readonly StoreCluster _cluster = StoreCluster.Start(new StoreClusterOptions { Nodes = 4, Groups = 2 });
    private readonly StoreNode _node;
    private readonly FormationRecord _record;
    private readonly StoreId _self;
    private readonly StoreId _peer;

    public FrameIntakeTests()
    {
        _cluster.RunFor(Seconds(1));
        // g1 lives on node-1 to node-3 as r1 to r3, g2 on node-2 to node-4.
        _node = _cluster.Nodes[new NodeName("node-1")];
        _record = _node.Formation;
        _self = _record.StoreOf(_node.Name);
        _peer = _record.StoreOf(new NodeName("node-2"));
    }

    private static readonly MessageAddress Right = new(First, new ReplicaId(2), new ReplicaId(1));

    [Fact]
    public void A_frame_for_this_node_reaches_its_replica()
    {
        Assert.Equal(0, Refusals(Frame(_record.Cluster, _peer, _self, Right)));
        Assert.True(_node.Find(First)!.Status.Term >= new Term(1000));
    }

    public static TheoryData<string> Wrong =>
        ["cluster", "sender's store", "receiver's store", "group of other nodes", "no sender", "no receiver",
        "sender's replica", "receiver's replica", "own replica as sender"];

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_frame_or_message_with_a_wrong_address_is_refused_and_counted(string what)
    {
        Term before = _node.Find(First)!.Status.Term;
        byte[] frame = what switch
        {
            "cluster" => Frame(new ClusterId(Guid.NewGuid()), _peer, _self, Right),
            "sender's store" => Frame(_record.Cluster, new StoreId(Guid.NewGuid()), _self, Right),
            "receiver's store" => Frame(_record.Cluster, _peer, _record.StoreOf(new NodeName("node-3")), Right),
            "no sender" => Frame(_record.Cluster, _peer, _self, Right with { From = ReplicaId.None }),
            "no receiver" => Frame(_record.Cluster, _peer, _self, Right with { To = ReplicaId.None }),
            "group of other nodes" => Frame(_record.Cluster, _peer, _self,
                new MessageAddress(new GroupId(2), new ReplicaId(1), new ReplicaId(2))),
            "sender's replica" => Frame(_record.Cluster, _peer, _self, Right with { From = new ReplicaId(3) }),
            "receiver's replica" => Frame(_record.Cluster, _peer, _self,
                Right with { From = new ReplicaId(3), To = new ReplicaId(2) }),
            _ => Frame(_record.Cluster, _peer, _self, Right with { From = new ReplicaId(1) }),
        };
        Assert.Equal(1, Refusals(frame));
        Assert.Equal(before, _node.Find(First)!.Status.Term);
    }

    [Fact]
    public void A_frame_damaged_anywhere_is_refused_or_means_nothing()
    {
        Term before = _node.Find(First)!.Status.Term;
        byte[] frame = Frame(_record.Cluster, _peer, _self, Right);
        for (int i = 0; i < frame.Length; i++)
        {
            frame[i] ^= 0x10;
            Assert.True(Refusals(frame) == 1, $"damage at {i} was not counted");
            frame[i] ^= 0x10;
        }
        for (int length = 0; length < frame.Length; length++)
        {
            bool isWholeFrameWithoutMessages = length == frame.Length - (frame.Length - HeaderBytes());
            Assert.True(Refusals(frame[..length]) == (isWholeFrameWithoutMessages ? 0 : 1),
                $"cut at {length} was not counted");
        }
        Assert.Equal(before, _node.Find(First)!.Status.Term);
        _cluster.Put(_cluster.CreateClient(), "a", "works");
    }

    [Fact]
    public void A_replica_whose_turn_does_not_come_keeps_only_so_many_bytes_of_messages()
    {
        StoreCluster cluster =
            StoreCluster.Start(new StoreClusterOptions { Replica = new ReplicaOptions { MaxInboxBytes = 10_000 } });
        Replica replica = cluster.ReplicaOn(cluster.Followers()[0]);
        ReplicaId leader = cluster.ReplicaOn(cluster.Leader()).Id;
        var entry = new LogEntry(replica.Status.Term, new LogIndex(1_000_000), EntryKind.Command, new byte[3_000]);
        RaftMessage message = new AppendEntries(replica.Status.Term,
            new EntryId(replica.Status.Term, new LogIndex(999_999)), new[] { entry }, LogIndex.Zero);
        for (int i = 0; i < 10; i++) replica.Deliver(leader, message);
        Assert.Equal(7, replica.DroppedMessages);
        // Small ones are bounded too.
        for (int i = 0; i < 1000; i++) replica.Deliver(leader, new Heartbeat(replica.Status.Term, LogIndex.Zero, 1));
        Assert.InRange(replica.DroppedMessages, 990, 1007);
        // Once its turn has come there is room again, and one alone may be larger than the bound.
        cluster.Scheduler.RunUntilIdle();
        long dropped = replica.DroppedMessages;
        var large = new LogEntry(replica.Status.Term, new LogIndex(1_000_000), EntryKind.Command, new byte[30_000]);
        replica.Deliver(leader, new AppendEntries(replica.Status.Term,
            new EntryId(replica.Status.Term, new LogIndex(999_999)), new[] { large }, LogIndex.Zero));
        Assert.Equal(dropped, replica.DroppedMessages);
        cluster.Put(cluster.CreateClient(), "a", "works");
        cluster.WaitForEqualReplicas();
    }

    private int HeaderBytes()
    {
        var writer = new FrameWriter();
        writer.Begin(new FrameHeader(_record.Cluster, _peer, _self));
        return writer.Length;
    }

    private long Refusals(byte[] frame)
    {
        long before = _node.RefusedMessages;
        _node.Receive(frame);
        _cluster.Scheduler.RunUntilIdle();
        return _node.RefusedMessages - before;
    }

    /// <summary>A heartbeat of a term that nobody has.</summary>
    private static byte[] Frame(ClusterId cluster, StoreId from, StoreId to, MessageAddress address)
    {
        var writer = new FrameWriter();
        writer.Begin(new FrameHeader(cluster, from, to));
        writer.Append(address, new Heartbeat(new Term(1000), LogIndex.Zero, 1));
        return writer.Written.ToArray();
    }
}
