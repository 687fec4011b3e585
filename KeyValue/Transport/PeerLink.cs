using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// The way to one other node: messages of all groups gather in one frame while the network still has the frame before,
/// so batches grow by themselves and frames seldom overtake each other. Beyond a bound messages are dropped: Raft sends
/// again what matters.
/// </summary>
internal sealed class PeerLink(NodeName peer, INetwork network, FrameHeader header, int maxPendingBytes, ILogger logger)
{
    private readonly Lock _lock = new();
    private FrameWriter _pending = NewFrame(header);
    private FrameWriter _sending = NewFrame(header);

    // Invariant: at most one frame is with the network; set and cleared under the lock.
    private bool _inFlight;
    private long _appended;
    private long _dropped;

    /// <summary>Messages that were to be sent, those dropped too.</summary>
    public long Appended => Interlocked.Read(ref _appended);

    /// <summary>Messages dropped because the node did not take them fast enough.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Adds a message to the next frame.</summary>
    public void Append(in MessageAddress address, RaftMessage message)
    {
        lock (_lock)
        {
            _appended++;
            if (_pending.Length < maxPendingBytes)
            {
                _pending.Append(address, message);
                return;
            }
        }
        long dropped = Interlocked.Increment(ref _dropped);
        if (dropped % 1000 == 1) LinkLog.Dropped(logger, peer, dropped, maxPendingBytes);
    }

    /// <summary>Sends what has gathered, unless the network still has a frame: then that one's end sends it.</summary>
    public void Flush()
    {
        while (TakeFrame() is { } frame)
        {
            ValueTask sending = network.SendAsync(peer, frame.Written);
            if (!sending.IsCompletedSuccessfully)
            {
                _ = FinishAsync(sending);
                return;
            }
            Release();
        }
    }

    private async Task FinishAsync(ValueTask sending)
    {
        try
        {
            await sending;
        }
        finally
        {
            Release();
        }
        Flush();
    }

    private FrameWriter? TakeFrame()
    {
        lock (_lock)
        {
            if (_inFlight || _pending.MessageCount == 0) return null;
            _inFlight = true;
            (_pending, _sending) = (_sending, _pending);
            _pending.Begin(header);
            return _sending;
        }
    }

    private void Release()
    {
        lock (_lock) _inFlight = false;
    }

    private static FrameWriter NewFrame(FrameHeader header)
    {
        var frame = new FrameWriter();
        frame.Begin(header);
        return frame;
    }
}

internal static partial class LinkLog
{
    [LoggerMessage(45, LogLevel.Warning,
        "{Count} messages to {Peer} dropped so far: it takes nothing, and {Bound} bytes wait for it")]
    public static partial void Dropped(ILogger logger, NodeName peer, long count, int bound);
}
