namespace Orleans.Raft.KeyValue;

/// <summary>
/// Writes the payload of a Raft entry: commands, each an operation with its session header. Reusable; the bytes are a
/// version byte, the number of commands, and per command session (0: none), then sequence and first unacknowledged if
/// it has a session, then the operation's length and bytes.
/// </summary>
public sealed class CommandBatchWriter
{
    private readonly ByteBuffer _buffer = new();

    public CommandBatchWriter() => Reset();

    /// <summary>Commands so far.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes so far.</summary>
    public int Length => _buffer.Length;

    /// <summary>Starts an empty batch.</summary>
    public void Reset()
    {
        BatchHeader.Start(_buffer);
        Count = 0;
    }

    /// <summary>Adds a write of a session.</summary>
    /// <param name="sequence">1 for the first write of a session; the same again for every retry.</param>
    /// <param name="firstUnacknowledged">The client has the answers of all lower sequence numbers.</param>
    public void Add(SessionId session, ulong sequence, ulong firstUnacknowledged, ReadOnlySpan<byte> operation)
    {
        if (session.IsNone) throw new ArgumentException("A write needs a session.", nameof(session));
        _buffer.Varint(session.Value);
        _buffer.Varint(sequence);
        _buffer.Varint(firstUnacknowledged);
        _buffer.Block(operation);
        Count++;
    }

    /// <summary>Adds an operation that belongs to no session: OpenSession or AdvanceTime.</summary>
    public void AddUnsessioned(ReadOnlySpan<byte> operation)
    {
        _buffer.Varint(0);
        _buffer.Block(operation);
        Count++;
    }

    /// <summary>Adds all commands of another batch, one that <see cref="CommandBatchReader.IsWellFormed"/>
    /// accepted.</summary>
    /// <exception cref="ArgumentException">The bytes are no batch of this version; nothing was added.</exception>
    public void AddAll(ReadOnlySpan<byte> otherBatch) => Count += BatchHeader.Join(_buffer, otherBatch);

    /// <summary>The batch, as an array of its own.</summary>
    public byte[] ToArray()
    {
        BatchHeader.SetCount(_buffer, Count);
        return _buffer.ToArray();
    }
}
