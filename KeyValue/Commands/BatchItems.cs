namespace Orleans.Raft.KeyValue;

/// <summary>Goes through the items of a batch, up to the first one that is malformed. Its reader reads the
/// items.</summary>
internal ref struct BatchItems
{
    /// <summary>Stands at the next item.</summary>
    public ByteReader Bytes;

    private int _left;

    public BatchItems(ReadOnlySpan<byte> batch)
    {
        Bytes = new ByteReader(batch);
        IsMalformed = !BatchHeader.TryRead(ref Bytes, out int count);
        Count = _left = count;
    }

    /// <summary>The number of items the batch claims to have; 0 if its beginning is malformed.</summary>
    public readonly int Count { get; }

    /// <summary>Whether the bytes are broken, as far as they were read.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>Whether there is an item to read; false at the end and where the bytes are malformed.</summary>
    public bool HasNext()
    {
        if (IsMalformed) return false;
        if (_left == 0)
        {
            IsMalformed = !Bytes.IsAtEnd;
            return false;
        }
        _left--;
        return true;
    }

    /// <summary>Takes note of whether the item could be read, and returns it.</summary>
    public bool Read(bool succeeded)
    {
        IsMalformed = !succeeded;
        return succeeded;
    }
}
