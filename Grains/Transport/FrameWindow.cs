namespace Orleans.Raft.Grains;

/// <summary>
/// Which frames to a silo want a reply. Most do not, because a reply costs as much as a frame; but a silo that hangs must
/// not be sent more and more. So every so often a frame waits for its reply, which stands for all before it; and if there
/// is none, so does each one until there is one again. Any thread may call it.
/// </summary>
internal sealed class FrameWindow
{
    /// <summary>One frame in so many waits for a reply.</summary>
    public const int MaxFrames = 16;

    /// <summary>Bytes that may be on their way without a reply; a frame that goes beyond waits for one.</summary>
    public const int MaxBytes = 1 << 20;

    private readonly Lock _lock = new();
    private int _frames;
    private long _bytes;
    private bool _isSilent;

    /// <summary>Whether the next frame may go without a reply; else <see cref="NoteReply"/> is to hear of it.</summary>
    public bool TryPass(int bytes)
    {
        lock (_lock)
        {
            _frames++;
            _bytes += bytes;
            return !_isSilent && _frames < MaxFrames && _bytes <= MaxBytes;
        }
    }

    /// <param name="came">False: there was none in time, or the frame could not even be sent.</param>
    public void NoteReply(bool came)
    {
        lock (_lock)
        {
            _isSilent = !came;
            if (came) (_frames, _bytes) = (0, 0);
        }
    }
}
