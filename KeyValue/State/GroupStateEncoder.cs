using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Writes a snapshot's content piece by piece, into buffers of any size; equal states give equal
/// bytes.</summary>
public sealed class GroupStateEncoder
{
    private readonly GroupStateSnapshot _snapshot;
    private readonly Session[] _sessions;
    private readonly ByteBuffer _scratch = new();
    private readonly IEnumerator<bool> _items;

    /// <summary>What is still to be written before the next item: numbers, then up to two arrays that are not copied
    /// before.</summary>
    private ReadOnlyMemory<byte> _numbers;
    private ReadOnlyMemory<byte> _first;
    private ReadOnlyMemory<byte> _second;

    public GroupStateEncoder(GroupStateSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        _snapshot = snapshot;
        _sessions = (Session[])snapshot.Sessions.Clone();
        Array.Sort(_sessions, (left, right) => left.Id.CompareTo(right.Id));
        _items = Items().GetEnumerator();
    }

    /// <summary>Writes the next bytes. Fills the buffer wholly, except for the last ones.</summary>
    /// <returns>The bytes written; 0: there are no more.</returns>
    public int Fill(Span<byte> buffer)
    {
        int filled = 0;
        while (filled < buffer.Length)
        {
            filled += Take(ref _numbers, buffer[filled..]);
            filled += Take(ref _first, buffer[filled..]);
            filled += Take(ref _second, buffer[filled..]);
            if (filled < buffer.Length && !_items.MoveNext()) break;
        }
        return filled;
    }

    private static int Take(ref ReadOnlyMemory<byte> from, Span<byte> target)
    {
        int count = Math.Min(from.Length, target.Length);
        if (count == 0) return 0;
        from.Span[..count].CopyTo(target);
        from = from[count..];
        return count;
    }

    /// <summary>Prepares one item per step; the values it yields mean nothing.</summary>
    private IEnumerable<bool> Items()
    {
        WriteHead();
        yield return true;
        foreach (byte[] part in _snapshot.Merges.Incoming?.Chunks ?? [])
        {
            WritePart(part);
            yield return true;
        }
        foreach (Session session in _sessions)
        {
            WriteSession(session);
            yield return true;
            foreach ((ulong sequence, Outcome outcome) in session.Kept())
            {
                WriteKept((uint)(sequence - session.First), outcome);
                yield return true;
            }
        }
        for (int family = 0; family < _snapshot.Families.Length; family++)
        {
            WriteFamily(family);
            yield return true;
            OrderedMapCursor cursor = _snapshot.Families[family].Cursor();
            for (bool found = cursor.SeekFirst(); found; found = cursor.MoveNext())
            {
                WriteRow(cursor.Key, cursor.Value);
                yield return true;
            }
        }
        _scratch.Clear();
        _scratch.UInt32(SnapshotFormat.EndMagic);
        _numbers = _scratch.WrittenMemory;
        yield return true;
    }

    private void WriteHead()
    {
        _scratch.Clear();
        _scratch.UInt32(SnapshotFormat.Magic);
        _scratch.UInt32(SnapshotFormat.Version);
        _scratch.UInt32(0);
        _scratch.Block(_snapshot.Descriptor.Encode());
        _scratch.Block(_snapshot.Limits.Encode());
        _scratch.UInt64(_snapshot.LastApplied.Term.Value);
        _scratch.UInt64(_snapshot.LastApplied.Index.Value);
        _scratch.UInt64((ulong)_snapshot.GroupTimeMilliseconds);
        _scratch.UInt32(_snapshot.NextSession);
        _scratch.UInt32((uint)_sessions.Length);
        _scratch.UInt32((uint)_snapshot.Forgotten.Length);
        foreach ((GroupId group, uint newest) in _snapshot.Forgotten)
        {
            _scratch.UInt32(group.Value);
            _scratch.UInt32(newest);
        }
        WriteMerges(_snapshot.Merges);
        _scratch.PatchUInt32(8, (uint)(_scratch.Length - SnapshotFormat.PreambleBytes));
        _numbers = _scratch.WrittenMemory;
    }

    private void WriteMerges(MergeState merges)
    {
        _scratch.UInt64(merges.Last.Value);
        _scratch.Byte((byte)merges.Outcome);
        _scratch.Byte(merges.Frozen is null ? (byte)0 : (byte)1);
        if (merges.Frozen is { } frozen)
        {
            _scratch.UInt64(frozen.Merge.Value);
            _scratch.UInt32(frozen.Target.Value);
        }
        _scratch.Byte(merges.Incoming is null ? (byte)0 : (byte)1);
        if (merges.Incoming is not { } incoming) return;
        _scratch.UInt64(incoming.Merge.Value);
        _scratch.Block(incoming.Source.Encode());
        _scratch.UInt32((uint)incoming.TotalBytes);
        _scratch.UInt32(incoming.Checksum);
        _scratch.UInt32((uint)incoming.Chunks.Length);
    }

    private void WritePart(byte[] part)
    {
        _scratch.Clear();
        _scratch.UInt32((uint)part.Length);
        _numbers = _scratch.WrittenMemory;
        _first = part;
    }

    private void WriteSession(Session session)
    {
        _scratch.Clear();
        _scratch.UInt64(session.Id);
        _scratch.UInt64((ulong)session.TimeoutMilliseconds);
        _scratch.UInt64((ulong)session.LastUsedMilliseconds);
        _scratch.UInt64(session.First);
        _scratch.UInt32(session.UsedBy.Value);
        _scratch.UInt32((uint)session.KeptCount);
        _numbers = _scratch.WrittenMemory;
    }

    private void WriteKept(uint offset, Outcome outcome)
    {
        _scratch.Clear();
        _scratch.UInt32(offset);
        _scratch.Byte((byte)outcome.Status);
        _scratch.Byte(outcome.Value is null ? (byte)0 : (byte)1);
        _scratch.UInt32((uint)(outcome.Value?.Length ?? 0));
        _numbers = _scratch.WrittenMemory;
        _first = outcome.Value;
    }

    private void WriteFamily(int family)
    {
        _scratch.Clear();
        _scratch.Byte((byte)family);
        _scratch.UInt64((ulong)_snapshot.Families[family].Count);
        _numbers = _scratch.WrittenMemory;
    }

    private void WriteRow(byte[] key, byte[] value)
    {
        _scratch.Clear();
        _scratch.UInt32((uint)key.Length);
        _scratch.UInt32((uint)value.Length);
        _numbers = _scratch.WrittenMemory;
        _first = key;
        _second = value;
    }
}
