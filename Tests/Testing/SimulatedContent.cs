namespace Orleans.Raft.Testing;

/// <summary>A file's bytes, by sector, as the system sees them and as they are on the platter. Missing sectors are
/// zero.</summary>
internal sealed class SimulatedContent
{
    public const int SectorBytes = 512;

    private readonly SortedSet<long> _dirty = [];
    private Dictionary<long, byte[]> _current = [];
    private Dictionary<long, byte[]> _durable = [];
    private long _durableLength;

    public long Length { get; private set; }

    public bool IsDirty => _dirty.Count > 0 || Length != _durableLength;

    public int Read(long offset, Span<byte> buffer)
    {
        int count = (int)Math.Min(buffer.Length, Math.Max(0, Length - offset));
        for (int done = 0; done < count;)
        {
            long sector = (offset + done) / SectorBytes;
            int within = (int)((offset + done) % SectorBytes);
            int length = Math.Min(SectorBytes - within, count - done);
            Span<byte> target = buffer.Slice(done, length);
            if (_current.TryGetValue(sector, out byte[]? bytes)) bytes.AsSpan(within, length).CopyTo(target);
            else target.Clear();
            done += length;
        }
        return count;
    }

    public void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        for (int done = 0; done < bytes.Length;)
        {
            long sector = (offset + done) / SectorBytes;
            int within = (int)((offset + done) % SectorBytes);
            int length = Math.Min(SectorBytes - within, bytes.Length - done);
            ReadOnlySpan<byte> source = bytes.Slice(done, length);
            if (_current.ContainsKey(sector) || source.ContainsAnyExcept((byte)0))
                source.CopyTo(Writable(sector).AsSpan(within));
            done += length;
        }
        Length = Math.Max(Length, offset + bytes.Length);
    }

    public void Flush()
    {
        foreach (long sector in _dirty) _durable[sector] = _current[sector];
        _dirty.Clear();
        _durableLength = Length;
    }

    /// <summary>The machine dies.</summary>
    public void Crash(CrashLoss loss, Random random)
    {
        if (!IsDirty) return;
        double kept = random.NextDouble();
        foreach (long sector in _dirty)
        {
            if (loss == CrashLoss.Random && random.NextDouble() < kept) _durable[sector] = _current[sector];
        }
        if (loss == CrashLoss.Random && random.NextDouble() < kept) _durableLength = Length;
        _dirty.Clear();
        _current = _durable;
        _durable = new Dictionary<long, byte[]>(_current);
        Length = _durableLength;
    }

    /// <summary>What is on the platter.</summary>
    public byte[] ReadDurable()
    {
        byte[] bytes = new byte[_durableLength];
        foreach ((long sector, byte[] content) in _durable)
        {
            int length = (int)Math.Min(SectorBytes, _durableLength - sector * SectorBytes);
            if (length > 0) content.AsSpan(0, length).CopyTo(bytes.AsSpan((int)(sector * SectorBytes)));
        }
        return bytes;
    }

    public SimulatedContent Clone()
    {
        var clone = new SimulatedContent { Length = Length, _durableLength = _durableLength };
        foreach ((long sector, byte[] bytes) in _durable) clone._durable[sector] = clone._current[sector] = [.. bytes];
        foreach (long sector in _dirty)
        {
            clone._dirty.Add(sector);
            clone._current[sector] = [.. _current[sector]];
        }
        return clone;
    }

    /// <summary>Changes bits on the platter and in the cache.</summary>
    public void Rot(long offset, byte mask)
    {
        long sector = offset / SectorBytes;
        int within = (int)(offset % SectorBytes);
        if (!_current.TryGetValue(sector, out byte[]? current)) _current[sector] = current = new byte[SectorBytes];
        current[within] ^= mask;
        if (!_durable.TryGetValue(sector, out byte[]? durable)) _durable[sector] = durable = new byte[SectorBytes];
        if (durable != current) durable[within] ^= mask;
    }

    // A clean sector's array is shared with the platter's.
    private byte[] Writable(long sector)
    {
        if (_dirty.Add(sector))
            _current[sector] = _current.TryGetValue(sector, out byte[]? shared) ? [.. shared] : new byte[SectorBytes];
        return _current[sector];
    }
}
