using System.Numerics;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A client's session in a group: which of its writes were applied, and their answers until it has
/// acknowledged them.</summary>
internal sealed class Session
{
    private const int OverheadBytes = 160;
    private const int LeastSlots = 16;

    /// <summary>Ring of kept answers: the status of sequence number n is at n modulo the length, a power of two; 0:
    /// none.</summary>
    private byte[] _statuses;

    /// <summary>Beside <see cref="_statuses"/>: the values of mismatches; null while there is none.</summary>
    private byte[]?[]? _values;

    public Session(ulong id, long timeoutMilliseconds, long lastUsedMilliseconds, long stamp)
    {
        Id = id;
        TimeoutMilliseconds = timeoutMilliseconds;
        LastUsedMilliseconds = lastUsedMilliseconds;
        Stamp = stamp;
        First = 1;
        _statuses = new byte[LeastSlots];
    }

    private Session(Session source, long stamp)
        : this(source.Id, source.TimeoutMilliseconds, source.LastUsedMilliseconds, stamp)
    {
        UsedBy = source.UsedBy;
        First = source.First;
        KeptBytes = source.KeptBytes;
        _statuses = (byte[])source._statuses.Clone();
        _values = (byte[]?[]?)source._values?.Clone();
    }

    public ulong Id { get; }

    public long TimeoutMilliseconds { get; private set; }

    /// <summary>Group time of the last write.</summary>
    public long LastUsedMilliseconds { get; private set; }

    /// <summary>The group of the last write. Of one that came with a split and was not used since, not the group it is
    /// in.</summary>
    public GroupId UsedBy { get; set; }

    /// <summary>Invariant: the state changes only sessions that carry its own present stamp; all others belong to
    /// snapshots too.</summary>
    public long Stamp { get; }

    /// <summary>The lowest sequence number not yet acknowledged. Invariant: no answer below it is kept; it never goes
    /// back.</summary>
    public ulong First { get; private set; }

    /// <summary>Bytes of the values in kept answers.</summary>
    public long KeptBytes { get; private set; }

    public long MemoryBytes => OverheadBytes + OrderedMap.ArrayBytes(_statuses.Length)
        + (_values is null ? 0 : OrderedMap.ArrayBytes(_values.Length * 8L)) + KeptBytes;

    /// <summary>The first group time at which this session is expired, as far as it is not used again.</summary>
    public long ExpiresAtMilliseconds =>
        LastUsedMilliseconds >= long.MaxValue - TimeoutMilliseconds
            ? long.MaxValue
            : LastUsedMilliseconds + TimeoutMilliseconds + 1;

    public Session CopyFor(long stamp) => new(this, stamp);

    public bool IsExpiredAt(long groupTimeMilliseconds) =>
        groupTimeMilliseconds - LastUsedMilliseconds > TimeoutMilliseconds;

    public void Touch(long groupTimeMilliseconds, GroupId group) =>
        (LastUsedMilliseconds, UsedBy) = (groupTimeMilliseconds, group);

    /// <summary>Drops the answers below a sequence number; a lower one than before changes nothing.</summary>
    public void Acknowledge(ulong first)
    {
        if (first <= First) return;
        ulong end = EndOfRing(first);
        for (ulong sequence = First; sequence < end; sequence++) Drop(sequence);
        First = first;
    }

    /// <summary>The kept answer of a write that is not below <see cref="First"/>.</summary>
    public bool TryGetKept(ulong sequence, out Outcome outcome)
    {
        outcome = default;
        if (sequence - First >= (ulong)_statuses.Length) return false;
        int slot = Slot(sequence);
        outcome = new Outcome((AnswerStatus)_statuses[slot], _values?[slot]);
        return _statuses[slot] != 0;
    }

    /// <summary>Keeps an answer. The caller has checked the window.</summary>
    public void Keep(ulong sequence, Outcome outcome)
    {
        if (sequence - First >= (ulong)_statuses.Length) Grow((int)(sequence - First) + 1);
        int slot = Slot(sequence);
        _statuses[slot] = (byte)outcome.Status;
        if (outcome.Value is null) return;
        _values ??= new byte[]?[_statuses.Length];
        _values[slot] = outcome.Value;
        KeptBytes += outcome.Value.Length;
    }

    /// <summary>
    /// Adds what another group kept of the same session. Of two answers under one number, that the key was another group's
    /// is the lesser one: the write was applied there, or will not be. Others agree, unless the client used a number twice;
    /// then this group's stays.
    /// </summary>
    public void Unite(Session other, long lastUsedMilliseconds)
    {
        TimeoutMilliseconds = Math.Max(TimeoutMilliseconds, other.TimeoutMilliseconds);
        LastUsedMilliseconds = Math.Max(LastUsedMilliseconds, lastUsedMilliseconds);
        Acknowledge(other.First);
        foreach ((ulong sequence, Outcome outcome) in other.Kept())
        {
            if (sequence < First) continue;
            if (TryGetKept(sequence, out Outcome kept) && kept.Status != AnswerStatus.WrongRange) continue;
            Keep(sequence, outcome);
        }
    }

    /// <summary>What <see cref="KeptBytes"/> would be after an acknowledgement.</summary>
    public long KeptBytesAfter(ulong first)
    {
        if (first <= First || _values is null) return KeptBytes;
        long kept = KeptBytes;
        ulong end = EndOfRing(first);
        for (ulong sequence = First; sequence < end; sequence++) kept -= _values[Slot(sequence)]?.Length ?? 0;
        return kept;
    }

    /// <summary>The kept answers, lowest sequence number first.</summary>
    public IEnumerable<(ulong Sequence, Outcome Outcome)> Kept()
    {
        for (ulong offset = 0; offset < (ulong)_statuses.Length; offset++)
        {
            if (TryGetKept(First + offset, out Outcome outcome)) yield return (First + offset, outcome);
        }
    }

    public int KeptCount => _statuses.Length - _statuses.AsSpan().Count((byte)0);

    private ulong EndOfRing(ulong first) => Math.Min(first - First, (ulong)_statuses.Length) + First;

    private int Slot(ulong sequence) => (int)(sequence & (ulong)(_statuses.Length - 1));

    private void Drop(ulong sequence)
    {
        int slot = Slot(sequence);
        _statuses[slot] = 0;
        if (_values?[slot] is not { } value) return;
        KeptBytes -= value.Length;
        _values[slot] = null;
    }

    private void Grow(int needed)
    {
        byte[] statuses = new byte[BitOperations.RoundUpToPowerOf2((uint)needed)];
        byte[]?[]? values = _values is null ? null : new byte[]?[statuses.Length];
        foreach ((ulong sequence, Outcome outcome) in Kept())
        {
            int slot = (int)(sequence & (ulong)(statuses.Length - 1));
            statuses[slot] = (byte)outcome.Status;
            if (values is not null) values[slot] = outcome.Value;
        }
        _statuses = statuses;
        _values = values;
    }
}
