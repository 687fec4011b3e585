using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Transport;

/// <summary>One frame on its way, the rest gathers, and a bound.</summary>
public class PeerLinkTests
{
    private static readonly FrameHeader Header = new(new ClusterId(new Guid(1, 0, 0, new byte[8])),
        new StoreId(new Guid(2, 0, 0, new byte[8])), new StoreId(new Guid(3, 0, 0, new byte[8])));

    private readonly DeterministicScheduler _scheduler = new();
    private readonly HeldNetwork _network = new();

    [Fact]
    public void Messages_gather_in_one_frame_while_another_is_on_its_way()
    {
        PeerLink link = Link(1 << 20);
        Send(link, 1);
        for (ulong i = 2; i <= 5; i++) Send(link, i);
        Assert.Equal(["1"], _network.Frames);
        _network.Complete(_scheduler);
        Assert.Equal(["1", "2,3,4,5"], _network.Frames);
        Send(link, 6);
        Assert.Equal(2, _network.Frames.Count);
        _network.Complete(_scheduler);
        Assert.Equal(["1", "2,3,4,5", "6"], _network.Frames);
        _network.Complete(_scheduler);
        Send(link, 7);
        Assert.Equal(["1", "2,3,4,5", "6", "7"], _network.Frames);
        Assert.Equal(0, link.Dropped);
    }

    [Fact]
    public void A_frame_does_not_change_while_it_is_on_its_way()
    {
        PeerLink link = Link(1 << 20);
        Send(link, 1);
        byte[] before = _network.InFlight.ToArray();
        for (ulong i = 2; i <= 500; i++) Send(link, i);
        Assert.Equal(before, _network.InFlight.ToArray());
    }

    [Fact]
    public void A_peer_that_takes_nothing_blocks_nobody_and_what_exceeds_the_bound_is_dropped_and_counted()
    {
        const int Bound = 1000;
        PeerLink link = Link(Bound);
        for (ulong i = 1; i <= 200; i++) Send(link, i);
        Assert.Single(_network.Frames);
        long dropped = link.Dropped;
        Assert.InRange(dropped, 100, 198);
        _network.Complete(_scheduler);
        Assert.Equal(2, _network.Frames.Count);
        Assert.InRange(_network.InFlight.Length, Bound, Bound + 100);
        // What was kept is the oldest, in order and without a gap; what follows is taken again.
        int kept = _network.Frames[1].Split(',').Length;
        Assert.Equal(string.Join(',', Enumerable.Range(2, kept)), _network.Frames[1]);
        Assert.Equal(200 - 1 - kept, dropped);
        Send(link, 1000);
        _network.Complete(_scheduler);
        Assert.Equal("1000", _network.Frames[2]);
        Assert.Equal(dropped, link.Dropped);
    }

    [Fact]
    public void A_network_that_takes_frames_at_once_gets_them_at_once()
    {
        PeerLink link = Link(1 << 20);
        _network.CompletesAtOnce = true;
        for (ulong i = 1; i <= 3; i++) Send(link, i);
        Assert.Equal(["1", "2", "3"], _network.Frames);
        _scheduler.Run(() =>
        {
            link.Flush();
            return Task.CompletedTask;
        });
        Assert.Equal(3, _network.Frames.Count);
    }

    /// <summary>A peer takes no further snapshot part before it has the last; its heartbeats come all the
    /// same.</summary>
    [Fact]
    public void Snapshot_parts_travel_beside_the_messages_and_hold_up_none()
    {
        NodeName self = new("node-1"), peer = new("node-2");
        FormationNode[] nodes = [new(self, Header.From), new(peer, Header.To)];
        var network = new SnapshotHoldingNetwork();
        var links = new PeerLinks(Header.Cluster, nodes[0], network, new NodeDirectory(nodes),
            NullLogger.Instance);
        var address = new MessageAddress(new GroupId(1), new ReplicaId(1), new ReplicaId(2));
        for (ulong round = 1; round <= 3; round++)
        {
            var last = new EntryId(new Term(1), new LogIndex(9));
            links.Append(peer, address, new SnapshotChunk(new Term(1), last, (long)round, 100, 0, new byte[10]));
            links.Append(peer, address, new Heartbeat(new Term(1), LogIndex.Zero, round));
            links.Flush();
        }
        Assert.Equal(["heartbeat 1", "part 1", "heartbeat 2", "heartbeat 3"], network.Sent);
    }

    private PeerLink Link(int bound) => new(new NodeName("peer"), _network, Header, bound, NullLogger.Instance);

    private void Send(PeerLink link, ulong round) => _scheduler.Run(() =>
    {
        link.Append(new MessageAddress(new GroupId(1), new ReplicaId(1), new ReplicaId(2)),
            new Heartbeat(new Term(1), LogIndex.Zero, round));
        link.Flush();
        return Task.CompletedTask;
    });

    /// <summary>Never done with a snapshot part, at once with everything else.</summary>
    private sealed class SnapshotHoldingNetwork : INetwork
    {
        public List<string> Sent { get; } = [];

        public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame)
        {
            Assert.Equal(FrameStatus.Ok, FrameReader.TryOpen(frame.Span, out _, out FrameReader reader));
            bool held = false;
            while (reader.TryReadNext(out _, out RaftMessage? message, out _))
            {
                Sent.Add(message is SnapshotChunk part ? $"part {part.OffsetBytes}"
                    : $"heartbeat {Assert.IsType<Heartbeat>(message).Round}");
                held |= message is SnapshotChunk;
            }
            return held ? new ValueTask(new TaskCompletionSource().Task) : ValueTask.CompletedTask;
        }
    }

    /// <summary>Takes a frame and keeps it until told to let it go.</summary>
    private sealed class HeldNetwork : INetwork
    {
        private TaskCompletionSource? _sending;

        public List<string> Frames { get; } = [];

        public bool CompletesAtOnce { get; set; }

        public ReadOnlyMemory<byte> InFlight { get; private set; }

        public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame)
        {
            Assert.Null(_sending);
            InFlight = frame;
            Assert.Equal(FrameStatus.Ok,
                FrameReader.TryOpen(frame.Span, out FrameHeader header, out FrameReader reader));
            Assert.Equal(Header, header);
            var rounds = new List<ulong>();
            while (reader.TryReadNext(out _, out RaftMessage? message, out _))
                rounds.Add(Assert.IsType<Heartbeat>(message).Round);
            Frames.Add(string.Join(',', rounds));
            if (CompletesAtOnce) return ValueTask.CompletedTask;
            _sending = new TaskCompletionSource();
            return new ValueTask(_sending.Task);
        }

        public void Complete(DeterministicScheduler scheduler)
        {
            TaskCompletionSource sending = _sending!;
            _sending = null;
            sending.SetResult();
            scheduler.RunUntilIdle();
        }
    }
}
