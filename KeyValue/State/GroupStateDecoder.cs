using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Builds a state from a snapshot's content, handed over in pieces of any size. Keeps no more of it than one item. Not
/// usable any more once it has thrown.
/// </summary>
public sealed partial class GroupStateDecoder
{
    private readonly StoreLimits _limits;
    private byte[] _buffer = new byte[4096];
    private int _length;
    private Part _part = Part.Head;
    private GroupState.Restoration? _state;

    private uint _sessionsLeft;
    private ulong _lastSession;
    private Session? _session;
    private uint _keptLeft;
    private long _lastKept;

    private int _family = -1;
    private ulong _rowsLeft;
    private readonly byte[] _lastKey;
    private int _lastKeyLength;

    /// <param name="limits">Those of this store; a snapshot of a store with others is refused.</param>
    public GroupStateDecoder(StoreLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        _limits = limits;
        _lastKey = new byte[limits.MaxKeyBytes];
    }

    internal FaultPoints Faults { get; init; }

    private enum Part
    {
        Head,
        Incoming,
        Session,
        Kept,
        Family,
        Row,
        End,
        Done,
    }

    /// <summary>Takes the next bytes.</summary>
    /// <exception cref="InvalidDataException">The content is malformed; the message says where.</exception>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        Reserve(_length + bytes.Length);
        bytes.CopyTo(_buffer.AsSpan(_length));
        _length += bytes.Length;
        int read = 0;
        while (TryRead(_buffer.AsSpan(read, _length - read), out int count)) read += count;
        _length -= read;
        _buffer.AsSpan(read, _length).CopyTo(_buffer);
    }

    /// <summary>The state, once all content was added.</summary>
    /// <exception cref="InvalidDataException">The content is cut short.</exception>
    public GroupState Complete()
    {
        if (_state is null || (_part != Part.Done && !_mayLackTail)) throw Malformed("it is cut short");
        return _state.State;
    }

    /// <summary>Reads one item if all of it is there.</summary>
    private bool TryRead(ReadOnlySpan<byte> bytes, out int count) => _part switch
    {
        Part.Head => TryReadHead(bytes, out count),
        Part.Incoming => TryReadIncoming(bytes, out count),
        Part.Session => TryReadSession(bytes, out count),
        Part.Kept => TryReadKept(bytes, out count),
        Part.Family => TryReadFamily(bytes, out count),
        Part.Row => TryReadRow(bytes, out count),
        Part.End => TryReadEnd(bytes, out count),
        _ => RefuseMore(bytes, out count),
    };

    private bool TryReadHead(ReadOnlySpan<byte> bytes, out int count)
    {
        count = 0;
        if (bytes.Length < SnapshotFormat.PreambleBytes) return false;
        var reader = new ByteReader(bytes);
        if (!reader.TryUInt32(out uint magic) || magic != SnapshotFormat.Magic) throw Malformed("it begins wrongly");
        reader.TryUInt32(out uint version);
        if (version != SnapshotFormat.Version)
        {
            throw new InvalidDataException($"The snapshot has version {version}; this program understands "
                + $"{SnapshotFormat.Version} only. Start a program of the version that wrote it.");
        }
        reader.TryUInt32(out uint length);
        if (length > SnapshotFormat.MaxHeadBytes) throw Malformed($"its head claims {length} bytes");
        if (!reader.TryBytes(length, out ReadOnlySpan<byte> head)) return false;
        ReadHead(head);
        count = SnapshotFormat.PreambleBytes + (int)length;
        return true;
    }

    private void ReadHead(ReadOnlySpan<byte> head)
    {
        var reader = new ByteReader(head);
        bool read = reader.TryBlock(out ReadOnlySpan<byte> descriptor);
        read &= reader.TryBlock(out ReadOnlySpan<byte> limits);
        read &= reader.TryUInt64(out ulong term);
        read &= reader.TryUInt64(out ulong index);
        read &= reader.TryUInt64(out ulong time);
        read &= reader.TryUInt32(out uint nextSession);
        read &= reader.TryUInt32(out _sessionsLeft);
        List<(GroupId Group, uint Newest)> forgotten = ReadForgotten(ref reader);
        MergeState merges = ReadMerges(ref reader);
        if (!read || !reader.IsAtEnd) throw Malformed("its head has the wrong length");
        if (StoreLimits.Decode(limits) != _limits)
            throw Malformed("it was made under other limits than those this cluster was formed with");
        if (time > long.MaxValue || nextSession == 0 || _sessionsLeft > (uint)_limits.MaxSessions)
            throw Malformed("a number in its head is out of bounds");
        _state = new GroupState.Restoration(GroupDescriptor.Decode(descriptor), _limits,
            new EntryId(new Term(term), new LogIndex(index)), (long)time, nextSession, Faults);
        foreach ((GroupId group, uint newest) in forgotten) _state.Forget(group, newest);
        _state.Add(merges);
        _part = _partsLeft > 0 ? Part.Incoming : AfterIncoming;
    }

    private static List<(GroupId Group, uint Newest)> ReadForgotten(ref ByteReader reader)
    {
        var forgotten = new List<(GroupId Group, uint Newest)>();
        reader.TryUInt32(out uint count);
        for (; count > 0; count--)
        {
            if (!reader.TryUInt32(out uint group) || !reader.TryUInt32(out uint newest)
                || (forgotten.Count > 0 && group <= forgotten[^1].Group.Value) || newest == 0)
                throw Malformed("what it says of other groups' sessions makes no sense");
            forgotten.Add((new GroupId(group), newest));
        }
        return forgotten;
    }

    private bool TryReadSession(ReadOnlySpan<byte> bytes, out int count)
    {
        count = SnapshotFormat.SessionBytes;
        if (bytes.Length < count) return false;
        var reader = new ByteReader(bytes);
        reader.TryUInt64(out ulong id);
        reader.TryUInt64(out ulong timeout);
        reader.TryUInt64(out ulong lastUsed);
        reader.TryUInt64(out ulong first);
        reader.TryUInt32(out uint usedBy);
        reader.TryUInt32(out _keptLeft);
        var session = new SessionId(id);
        // Those of other groups came with a split or a merge.
        bool isAssigned = session.Number > 0
            && (session.Group != _state!.State.Descriptor.Group || session.Number < _state.NextSession);
        if (id <= _lastSession || !isAssigned || first == 0 || timeout == 0
            || timeout > (ulong)_limits.SessionTimeoutMilliseconds
            || lastUsed > (ulong)_state!.State.GroupTimeMilliseconds
            || _keptLeft > (uint)_limits.SessionWindow)
            throw Malformed($"session {id} has a number out of bounds");
        _session = new Session(id, (long)timeout, (long)lastUsed, _state.Stamp) { UsedBy = new GroupId(usedBy) };
        _session.Acknowledge(first);
        _lastSession = id;
        _lastKept = -1;
        _part = Part.Kept;
        EndKeptIfDone();
        return true;
    }

    private bool TryReadKept(ReadOnlySpan<byte> bytes, out int count)
    {
        count = 0;
        if (bytes.Length < SnapshotFormat.KeptBytes) return false;
        var reader = new ByteReader(bytes);
        reader.TryUInt32(out uint offset);
        reader.TryByte(out byte status);
        reader.TryByte(out byte hasValue);
        reader.TryUInt32(out uint length);
        var outcome = new Outcome((AnswerStatus)status);
        bool valid = outcome.IsRecorded && offset > _lastKept && offset < (uint)_limits.SessionWindow && hasValue <= 1
            && (hasValue == 0 ? length == 0 : outcome.Status == AnswerStatus.Mismatch)
            && length <= (uint)_limits.MaxValueBytes
            && _session!.KeptBytes + length <= _limits.SessionAnswerBytes
            && offset <= ulong.MaxValue - _session.First;
        if (!valid) throw Malformed($"session {_lastSession} keeps an impossible answer");
        if (!reader.TryBytes(length, out ReadOnlySpan<byte> value)) return false;
        if (hasValue == 1) outcome = outcome with { Value = value.ToArray() };
        _session!.Keep(_session.First + offset, outcome);
        _lastKept = offset;
        _keptLeft--;
        EndKeptIfDone();
        count = SnapshotFormat.KeptBytes + (int)length;
        return true;
    }

    private void EndKeptIfDone()
    {
        if (_keptLeft > 0) return;
        _state!.Add(_session!);
        _sessionsLeft--;
        _part = _sessionsLeft > 0 ? Part.Session : Part.Family;
    }

    private bool TryReadFamily(ReadOnlySpan<byte> bytes, out int count)
    {
        count = SnapshotFormat.FamilyBytes;
        if (bytes.Length < count) return false;
        var reader = new ByteReader(bytes);
        reader.TryByte(out byte family);
        reader.TryUInt64(out _rowsLeft);
        if (family != ++_family) throw Malformed($"column family {family} stands where {_family} should");
        _lastKeyLength = 0;
        _part = Part.Row;
        EndFamilyIfDone();
        return true;
    }

    private bool TryReadRow(ReadOnlySpan<byte> bytes, out int count)
    {
        count = 0;
        if (bytes.Length < SnapshotFormat.RowBytes) return false;
        var reader = new ByteReader(bytes);
        reader.TryUInt32(out uint keyLength);
        reader.TryUInt32(out uint valueLength);
        if (keyLength == 0 || keyLength > (uint)_limits.MaxKeyBytes || valueLength > (uint)_limits.MaxValueBytes)
            throw Malformed($"a row claims a key of {keyLength} and a value of {valueLength} bytes");
        if (!reader.TryBytes(keyLength, out ReadOnlySpan<byte> key)) return false;
        if (!reader.TryBytes(valueLength, out ReadOnlySpan<byte> value)) return false;
        if (key.SequenceCompareTo(_lastKey.AsSpan(0, _lastKeyLength)) <= 0)
            throw Malformed("its keys are not in order");
        if (!_state!.State.Descriptor.Contains(key)) throw Malformed("it holds a key outside of its range");
        _state.Add((ColumnFamily)_family, key, value);
        key.CopyTo(_lastKey);
        _lastKeyLength = key.Length;
        _rowsLeft--;
        EndFamilyIfDone();
        count = SnapshotFormat.RowBytes + (int)keyLength + (int)valueLength;
        return true;
    }

    private void EndFamilyIfDone()
    {
        if (_rowsLeft > 0) return;
        _part = _family == (int)ColumnFamily.Write ? Part.End : Part.Family;
    }

    private bool TryReadEnd(ReadOnlySpan<byte> bytes, out int count)
    {
        count = SnapshotFormat.EndBytes;
        if (bytes.Length < count) return false;
        var reader = new ByteReader(bytes);
        if (!reader.TryUInt32(out uint magic) || magic != SnapshotFormat.EndMagic) throw Malformed("it ends wrongly");
        _part = Part.Done;
        return true;
    }

    private static bool RefuseMore(ReadOnlySpan<byte> bytes, out int count)
    {
        count = 0;
        return bytes.IsEmpty ? false : throw Malformed("bytes follow its end");
    }

    private void Reserve(int length)
    {
        if (length <= _buffer.Length) return;
        Array.Resize(ref _buffer, Math.Max(length, 2 * _buffer.Length));
    }

    private static InvalidDataException Malformed(string why) => new(
        $"The snapshot's content is malformed: {why}. Restore this replica from another one.");
}
