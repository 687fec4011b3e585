using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Liveness;

/// <summary>Who is suspected, and who is told of it.</summary>
public class NodeLivenessTests
{
    private static readonly NodeName s_peer = new("node-2");
    private static readonly NodeName s_other = new("node-3");
    private readonly NodeLiveness _liveness = new(TimeSpan.FromMilliseconds(500));
    private readonly Watcher _watcher = new(1);
    private int _now;

    [Fact]
    public void A_node_is_suspected_after_a_timeout_without_anything_of_it_and_any_frame_ends_that()
    {
        _liveness.Watch(_watcher, [s_peer], suspected: false);
        Run(400);
        _liveness.Heard(s_peer);
        Run(490);
        Assert.Equal((false, 0), (_liveness.IsSuspected(s_peer), _watcher.Told));
        Run(10);
        Assert.Equal((true, 1), (_liveness.IsSuspected(s_peer), _watcher.Told));
        Run(2000);
        Assert.Equal(1, _watcher.Told);
        _liveness.Heard(s_peer);
        Assert.Equal((false, 2), (_liveness.IsSuspected(s_peer), _watcher.Told));
    }

    [Fact]
    public void Only_those_are_told_who_watch_the_node()
    {
        var another = new Watcher(2);
        _liveness.Watch(_watcher, [s_peer], suspected: false);
        _liveness.Watch(another, [s_peer], suspected: false);
        _liveness.Watch(another, [s_other], suspected: false);
        for (int i = 0; i < 10; i++)
        {
            Run(100);
            _liveness.Heard(s_other);
        }
        Assert.Equal((1, 0), (_watcher.Told, another.Told));
        _liveness.Watch(_watcher, [], suspected: false);
        _liveness.Heard(s_peer);
        Assert.Equal(1, _watcher.Told);
    }

    [Fact]
    public void Who_takes_a_node_for_what_it_is_not_is_told_at_once()
    {
        _liveness.Heard(s_peer);
        Run(600);
        _liveness.Watch(_watcher, [s_peer], suspected: true);
        Assert.Equal(0, _watcher.Told);
        _liveness.Watch(_watcher, [s_peer], suspected: false);
        Assert.Equal(1, _watcher.Told);
    }

    [Fact]
    public void Time_in_which_the_node_itself_stood_still_suspects_nobody()
    {
        _liveness.Watch(_watcher, [s_peer], suspected: false);
        Run(100);
        _now += 60_000;
        Run(250);
        Assert.Equal((false, 0), (_liveness.IsSuspected(s_peer), _watcher.Told));
        Run(100);
        Assert.True(_liveness.IsSuspected(s_peer));
    }

    [Fact]
    public void Another_life_of_a_node_is_told_once_and_late_frames_of_an_earlier_one_are_not()
    {
        _liveness.Watch(_watcher, [s_peer], suspected: false);
        _liveness.Heard(s_peer, bootNonce: 7, sequence: 1);
        _liveness.Heard(s_peer, bootNonce: 7, sequence: 2);
        Assert.Equal(0, _watcher.Told);
        _liveness.Heard(s_peer, bootNonce: 9, sequence: 1);
        Assert.Equal(1, _watcher.Told);
        _liveness.Heard(s_peer, bootNonce: 9, sequence: 2);
        _liveness.Heard(s_peer, bootNonce: 7, sequence: 3);
        Assert.Equal(1, _watcher.Told);
        // Nor do they show that it lives.
        Run(500);
        Assert.False(_liveness.IsSuspected(s_peer));
        _liveness.Heard(s_peer, bootNonce: 9, sequence: 2);
        Run(10);
        Assert.True(_liveness.IsSuspected(s_peer));
    }

    [Fact]
    public void A_frame_is_read_as_it_was_written_and_every_flipped_bit_is_noticed()
    {
        var written = new LivenessFrame(
            new FrameHeader(new ClusterId(new Guid(1, 2, 3, [4, 5, 6, 7, 8, 9, 10, 11])),
                new StoreId(new Guid(2, 2, 3, [4, 5, 6, 7, 8, 9, 10, 11])),
                new StoreId(new Guid(3, 2, 3, [4, 5, 6, 7, 8, 9, 10, 11]))), ulong.MaxValue, 42);
        byte[] frame = written.Encode();
        Assert.Equal(FrameStatus.Ok, LivenessFrame.TryDecode(frame, out LivenessFrame read));
        Assert.Equal(written, read);
        for (int bit = 0; bit < 8 * frame.Length; bit++)
        {
            byte[] flipped = [.. frame];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(FrameStatus.Ok, LivenessFrame.TryDecode(flipped, out _));
        }
        for (int length = 0; length < frame.Length; length++)
            Assert.NotEqual(FrameStatus.Ok, LivenessFrame.TryDecode(frame.AsSpan(0, length), out _));
        Assert.NotEqual(FrameStatus.Ok, LivenessFrame.TryDecode([.. frame, 0], out _));
    }

    private void Run(int milliseconds)
    {
        for (int i = 0; i < milliseconds; i += 10)
            _liveness.Tick(TimeSpan.FromMilliseconds(_now += 10));
    }

    private sealed class Watcher(uint group) : INodeWatcher
    {
        public int Told { get; private set; }

        public GroupId Group => new(group);

        public ulong Incarnation => 1;

        public void NodeChanged() => Told++;
    }
}
