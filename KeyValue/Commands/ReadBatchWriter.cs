namespace Orleans.Raft.KeyValue;

/// <summary>Writes a batch of reads: gets and scans. Reusable.</summary>
public sealed class ReadBatchWriter
{
    internal const byte Get = 1;
    internal const byte Scan = 2;
    internal const byte Reverse = 1;

    private readonly ByteBuffer _buffer = new();

    public ReadBatchWriter() => Reset();

    /// <summary>Reads so far.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes so far.</summary>
    public int Length => _buffer.Length;

    /// <summary>Starts an empty batch.</summary>
    public void Reset()
    {
        BatchHeader.Start(_buffer);
        Count = 0;
    }

    /// <summary>Answered by <see cref="AnswerStatus.Value"/> or <see cref="AnswerStatus.NotFound"/>.</summary>
    public void AddGet(ColumnFamily family, ReadOnlySpan<byte> key)
    {
        _buffer.Byte(Get);
        _buffer.Byte((byte)family);
        _buffer.Block(key);
        Count++;
    }

    /// <summary>
    /// Answered by <see cref="AnswerStatus.Page"/>. The range must lie wholly within the group's. To read on, start
    /// after the page's last key (that key and a zero byte) or, in reverse, end at it.
    /// </summary>
    /// <param name="start">Inclusive; empty: unbounded, which only a group without a lower bound can answer.</param>
    /// <param name="end">Exclusive; empty: unbounded, which only a group without an upper bound can answer.</param>
    /// <param name="limit">The most rows; 0: as many as fit into a page.</param>
    /// <param name="reverse">From the end downwards.</param>
    /// <param name="maxBytes">The most bytes of rows, except that one row always fits; 0 or more than
    /// <see cref="StoreLimits.ScanPageBytes"/>: that.</param>
    public void AddScan(ColumnFamily family, ReadOnlySpan<byte> start, ReadOnlySpan<byte> end, int limit, bool reverse,
        int maxBytes = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        _buffer.Byte(Scan);
        _buffer.Byte((byte)family);
        _buffer.Block(start);
        _buffer.Block(end);
        _buffer.Varint((ulong)limit);
        _buffer.Byte(reverse ? Reverse : (byte)0);
        _buffer.Varint((ulong)maxBytes);
        Count++;
    }

    /// <summary>Adds all reads of another batch, one that <see cref="ReadBatchReader.IsWellFormed"/>
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
