using System.Diagnostics.CodeAnalysis;

namespace Orleans.Raft.KeyValue;

/// <summary>Reads a batch of reads. Never throws: bytes that are no batch end the reading and set
/// <see cref="IsMalformed"/>.</summary>
public ref struct ReadBatchReader
{
    private BatchItems _items;

    public ReadBatchReader(ReadOnlySpan<byte> batch) => _items = new BatchItems(batch);

    /// <summary>The number of reads the batch claims to have; 0 if its beginning is malformed.</summary>
    public readonly int Count => _items.Count;

    /// <summary>Whether the bytes are broken, as far as they were read.</summary>
    public readonly bool IsMalformed => _items.IsMalformed;

    public bool IsScan { get; private set; }

    public ColumnFamily Family { get; private set; }

    /// <summary>Of a get.</summary>
    public ReadOnlySpan<byte> Key { get; private set; }

    /// <summary>Of a scan; empty: unbounded.</summary>
    public ReadOnlySpan<byte> Start { get; private set; }

    /// <summary>Of a scan; empty: unbounded.</summary>
    public ReadOnlySpan<byte> End { get; private set; }

    /// <summary>Of a scan; 0: none.</summary>
    public int Limit { get; private set; }

    public bool IsReverse { get; private set; }

    /// <summary>Of a scan; 0: none.</summary>
    public int MaxBytes { get; private set; }

    /// <summary>Goes to the next read; false at the end and where the bytes are malformed.</summary>
    public bool MoveNext() => _items.HasNext() && _items.Read(TryRead());

    /// <summary>Checks all that can be checked without the group's state.</summary>
    /// <param name="count">The number of reads; 0 if malformed.</param>
    /// <param name="problem">What is wrong, in words; null if nothing is.</param>
    public static bool IsWellFormed(
        ReadOnlySpan<byte> batch, StoreLimits limits, out int count, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(limits);
        var reader = new ReadBatchReader(batch);
        count = 0;
        problem = null;
        for (int i = 0; problem is null && reader.MoveNext(); i++)
        {
            if (reader.Check(limits) != AnswerStatus.Ok)
                problem = $"Read {i}: a key is larger than {limits.MaxKeyBytes} bytes.";
        }
        if (problem is null && reader.IsMalformed) problem = "The bytes are no batch of reads of this version.";
        if (problem is not null) return false;
        count = reader.Count;
        return true;
    }

    /// <summary>Checks the present read against the limits. A bound of a scan may be one byte longer than a
    /// key.</summary>
    internal readonly AnswerStatus Check(StoreLimits limits) =>
        Key.Length > limits.MaxKeyBytes || Start.Length > limits.MaxKeyBytes + 1 || End.Length > limits.MaxKeyBytes + 1
            ? AnswerStatus.KeyTooLarge
            : AnswerStatus.Ok;

    private bool TryRead()
    {
        if (!_items.Bytes.TryByte(out byte kind) || kind is not (ReadBatchWriter.Get or ReadBatchWriter.Scan))
            return false;
        if (!_items.Bytes.TryByte(out byte family) || family > (byte)ColumnFamily.Write) return false;
        IsScan = kind == ReadBatchWriter.Scan;
        Family = (ColumnFamily)family;
        return IsScan ? TryReadScan() : TryReadGet();
    }

    private bool TryReadGet()
    {
        Start = End = default;
        bool read = _items.Bytes.TryBlock(out ReadOnlySpan<byte> key) && !key.IsEmpty;
        Key = key;
        return read;
    }

    private bool TryReadScan()
    {
        Key = default;
        bool read =
            _items.Bytes.TryBlock(out ReadOnlySpan<byte> start) & _items.Bytes.TryBlock(out ReadOnlySpan<byte> end);
        read &= _items.Bytes.TryPositive(out long limit) && limit <= int.MaxValue;
        read &= _items.Bytes.TryByte(out byte flags) && flags <= ReadBatchWriter.Reverse;
        read &= _items.Bytes.TryPositive(out long maxBytes) && maxBytes <= int.MaxValue;
        if (!read) return false;
        Start = start;
        End = end;
        Limit = (int)limit;
        IsReverse = flags == ReadBatchWriter.Reverse;
        MaxBytes = (int)maxBytes;
        return true;
    }
}
