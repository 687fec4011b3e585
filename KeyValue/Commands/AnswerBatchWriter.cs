namespace Orleans.Raft.KeyValue;

/// <summary>Writes the answers of a batch, in the order of its commands or reads. Reusable.</summary>
public sealed class AnswerBatchWriter
{
    private readonly ByteBuffer _buffer = new();
    private int _page = -1;
    private int _pageRows;

    public AnswerBatchWriter() => Reset();

    /// <summary>Answers so far.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes so far.</summary>
    public int Length => _buffer.Length;

    /// <summary>Starts an empty batch.</summary>
    public void Reset()
    {
        BatchHeader.Start(_buffer);
        Count = 0;
        _page = -1;
    }

    /// <summary>Adds an answer that carries nothing.</summary>
    /// <exception cref="ArgumentException">Answers of this status carry something.</exception>
    public void Add(AnswerStatus status)
    {
        if (!IsPlain(status)) throw new ArgumentException($"{status} carries more than a status.", nameof(status));
        _buffer.Byte((byte)status);
        Count++;
    }

    public void AddValue(ReadOnlySpan<byte> value)
    {
        _buffer.Byte((byte)AnswerStatus.Value);
        _buffer.Block(value);
        Count++;
    }

    /// <summary>Adds <see cref="AnswerStatus.Mismatch"/>.</summary>
    /// <param name="current">The value found; null if the key is missing.</param>
    public void AddMismatch(byte[]? current)
    {
        _buffer.Byte((byte)AnswerStatus.Mismatch);
        _buffer.Byte(current is null ? (byte)0 : (byte)1);
        if (current is not null) _buffer.Block(current);
        Count++;
    }

    public void AddSessionOpened(SessionId session)
    {
        _buffer.Byte((byte)AnswerStatus.SessionOpened);
        _buffer.Varint(session.Value);
        Count++;
    }

    /// <summary>Adds <see cref="AnswerStatus.WrongRange"/>.</summary>
    /// <param name="encodedDescriptor">What <see cref="GroupDescriptor.Encode"/> returned.</param>
    public void AddWrongRange(ReadOnlySpan<byte> encodedDescriptor)
    {
        _buffer.Byte((byte)AnswerStatus.WrongRange);
        _buffer.Block(encodedDescriptor);
        Count++;
    }

    /// <summary>Adds all answers of another batch.</summary>
    /// <exception cref="ArgumentException">The bytes are no batch of this version; nothing was added.</exception>
    public void AddAll(ReadOnlySpan<byte> otherBatch) => Count += BatchHeader.Join(_buffer, otherBatch);

    /// <summary>The batch, as an array of its own.</summary>
    public byte[] ToArray()
    {
        BatchHeader.SetCount(_buffer, Count);
        return _buffer.ToArray();
    }

    internal void BeginPage()
    {
        _buffer.Byte((byte)AnswerStatus.Page);
        _page = _buffer.Length;
        _pageRows = 0;
        _buffer.Byte(0);
        _buffer.UInt32(0);
        _buffer.UInt32(0);
    }

    /// <summary>Adds a row unless it is not the first and does not fit.</summary>
    internal bool TryAddRow(byte[] key, byte[] value, int maxBytes)
    {
        long row = (long)ByteBuffer.VarintLength((ulong)key.Length) + key.Length
            + ByteBuffer.VarintLength((ulong)value.Length) + value.Length;
        if (_pageRows > 0 && PageBytes + row > maxBytes) return false;
        _buffer.Block(key);
        _buffer.Block(value);
        _pageRows++;
        return true;
    }

    internal int PageRows => _pageRows;

    internal void EndPage(bool more)
    {
        _buffer.PatchByte(_page, more ? (byte)1 : (byte)0);
        _buffer.PatchUInt32(_page + 1, (uint)_pageRows);
        _buffer.PatchUInt32(_page + 5, (uint)PageBytes);
        Count++;
    }

    private int PageBytes => _buffer.Length - _page - 9;

    internal static bool IsPlain(AnswerStatus status) => status is AnswerStatus.Ok or AnswerStatus.NotFound
        or (>= AnswerStatus.SessionExpired and <= AnswerStatus.Refused and not AnswerStatus.WrongRange);
}
