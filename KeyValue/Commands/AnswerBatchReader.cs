namespace Orleans.Raft.KeyValue;

/// <summary>Reads a batch of answers. Everything it gives out points into the batch.</summary>
/// <remarks>Throws <see cref="InvalidDataException"/> where the bytes are no batch of answers of this
/// version.</remarks>
public ref struct AnswerBatchReader
{
    private ByteReader _reader;
    private int _left;
    private ReadOnlySpan<byte> _content;
    private ulong _number;
    private int _rows;

    /// <exception cref="InvalidDataException">This is no batch of answers of this version.</exception>
    public AnswerBatchReader(ReadOnlySpan<byte> batch)
    {
        _reader = new ByteReader(batch);
        if (!BatchHeader.TryRead(ref _reader, out int count)) throw Malformed();
        Count = _left = count;
    }

    /// <summary>Answers in the whole batch.</summary>
    public readonly int Count { get; }

    /// <summary>Answers not yet read.</summary>
    public readonly int Remaining => _left;

    public AnswerStatus Status { get; private set; }

    /// <summary>Whether the answer carries a value; a <see cref="AnswerStatus.Mismatch"/> with a missing key does
    /// not.</summary>
    public bool HasValue { get; private set; }

    /// <summary>Of <see cref="AnswerStatus.Value"/> and <see cref="AnswerStatus.Mismatch"/>.</summary>
    public readonly ReadOnlySpan<byte> Value =>
        HasValue ? _content : throw new InvalidOperationException($"{Status} carries no value.");

    /// <summary>Of <see cref="AnswerStatus.SessionOpened"/>.</summary>
    public readonly SessionId Session => Require(AnswerStatus.SessionOpened) ? new SessionId(_number) : default;

    /// <summary>Of <see cref="AnswerStatus.WrongRange"/>; decoded by every call.</summary>
    public readonly GroupDescriptor Descriptor =>
        Require(AnswerStatus.WrongRange) ? GroupDescriptor.Decode(_content) : throw Malformed();

    /// <summary>Of <see cref="AnswerStatus.Page"/>: whether the range holds more rows than those of this
    /// page.</summary>
    public readonly bool More => Require(AnswerStatus.Page) && _number != 0;

    /// <summary>Of <see cref="AnswerStatus.Page"/>, in the order of the scan.</summary>
    public readonly PageReader Rows => Require(AnswerStatus.Page) ? new PageReader(_content, _rows) : default;

    /// <summary>Goes to the next answer; false at the end.</summary>
    /// <exception cref="InvalidDataException">The bytes are malformed from here on.</exception>
    public bool MoveNext()
    {
        if (_left == 0)
        {
            if (!_reader.IsAtEnd) throw Malformed();
            return false;
        }
        if (!TryRead()) throw Malformed();
        _left--;
        return true;
    }

    /// <summary>
    /// Takes the next answers as a batch of their own: splits what answers a joined batch among those whose batches
    /// were joined. The single <see cref="AnswerStatus.Malformed"/> of a batch that is broken as a whole must be dealt
    /// with before.
    /// </summary>
    /// <exception cref="InvalidDataException">There are fewer, or the bytes are malformed.</exception>
    public byte[] TakeSlice(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (count > _left)
            throw new InvalidDataException($"{count} answers were asked for, but only {_left} are left.");
        ReadOnlySpan<byte> from = _reader.Rest;
        for (int i = 0; i < count; i++) MoveNext();
        ReadOnlySpan<byte> taken = from[..^_reader.Rest.Length];
        byte[] slice = GC.AllocateUninitializedArray<byte>(BatchHeader.Bytes + taken.Length);
        slice[0] = BatchHeader.Version;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(slice.AsSpan(1), (uint)count);
        taken.CopyTo(slice.AsSpan(BatchHeader.Bytes));
        return slice;
    }

    private readonly bool Require(AnswerStatus status) =>
        Status == status ? true : throw new InvalidOperationException($"The answer is {Status}, not {status}.");

    private bool TryRead()
    {
        if (!_reader.TryByte(out byte status)) return false;
        Status = (AnswerStatus)status;
        _content = default;
        HasValue = Status == AnswerStatus.Value;
        switch (Status)
        {
            case AnswerStatus.Value:
            case AnswerStatus.WrongRange:
                return _reader.TryBlock(out _content);
            case AnswerStatus.Mismatch:
                if (!_reader.TryByte(out byte found) || found > 1) return false;
                HasValue = found == 1;
                return !HasValue || _reader.TryBlock(out _content);
            case AnswerStatus.SessionOpened:
                return _reader.TryVarint(out _number) && _number != SessionId.None.Value;
            case AnswerStatus.Page:
                return TryReadPage();
            default:
                return AnswerBatchWriter.IsPlain(Status);
        }
    }

    private bool TryReadPage()
    {
        if (!_reader.TryByte(out byte more) || more > 1) return false;
        if (!_reader.TryUInt32(out uint rows) || !_reader.TryUInt32(out uint length)) return false;
        if (!_reader.TryBytes(length, out _content) || rows > length) return false;
        // A page that stands still would be asked for again and again.
        if (more == 1 && rows == 0) return false;
        _number = more;
        _rows = (int)rows;
        return true;
    }

    internal static InvalidDataException Malformed() => new(
        "The bytes are no batch of answers of this version. The sender may run a newer version: upgrade this side.");
}

/// <summary>Reads the rows of one page.</summary>
public ref struct PageReader
{
    private ByteReader _reader;
    private int _left;

    internal PageReader(ReadOnlySpan<byte> rows, int count)
    {
        _reader = new ByteReader(rows);
        Count = _left = count;
    }

    /// <summary>Rows in the whole page.</summary>
    public readonly int Count { get; }

    public ReadOnlySpan<byte> Key { get; private set; }

    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>Goes to the next row; false at the end.</summary>
    /// <exception cref="InvalidDataException">The bytes are malformed.</exception>
    public bool MoveNext()
    {
        if (_left == 0)
        {
            if (!_reader.IsAtEnd) throw AnswerBatchReader.Malformed();
            return false;
        }
        if (!_reader.TryBlock(out ReadOnlySpan<byte> key) || !_reader.TryBlock(out ReadOnlySpan<byte> value))
            throw AnswerBatchReader.Malformed();
        _left--;
        Key = key;
        Value = value;
        return true;
    }
}
