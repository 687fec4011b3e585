using System.Runtime.InteropServices;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// What the log holds of one group as of the last batch composed: what a restart would find, and in which segments.
/// Belongs to the log's turn. Entries share their payloads with the core.
/// </summary>
internal sealed class GroupLog(GroupId group)
{
    private readonly EntryList _entries = new();

    /// <summary>Invariant: contiguous, oldest first, together all of <see cref="_entries"/>.</summary>
    private readonly List<EntryRange> _ranges = [];

    private LogSegment? _metaSegment;
    private long _entryBytes;

    private record struct EntryRange(LogIndex First, LogIndex Last, LogSegment Segment);

    public GroupId Group => group;

    public GroupMeta Meta { get; private set; }

    /// <summary>Bytes of the log that a restart would need for this group.</summary>
    public long LiveBytes => (_metaSegment is null ? 0 : LogFormat.MetaBytes) + _entryBytes
        + ((long)_ranges.Count * LogFormat.EntriesHeaderBytes);

    /// <summary>The last index that is stored, as entry or in the snapshot.</summary>
    public LogIndex LastIndex => _entries.Count > 0 ? _entries.Last : SnapshotIndex;

    private LogIndex SnapshotIndex => Meta.Snapshot?.Last.Index ?? LogIndex.Zero;

    public RecoveredReplica ToRecovered() => new(
        new RaftState(Meta.HardState, Meta.Snapshot?.Last ?? EntryId.Zero, _entries.Items.ToArray()), Meta.Snapshot);

    /// <summary>Why such a write must not be made; null if it may.</summary>
    public string? Problem(SnapshotFile? install, ReadOnlySpan<LogEntry> entries)
    {
        if (install is not null && install.Last.Index < SnapshotIndex)
            return $"{group} would install snapshot {install.Last} over the newer {Meta.Snapshot!.Last}";
        LogIndex last = install?.Last.Index ?? LastIndex;
        if (!entries.IsEmpty && entries[0].Index > last.Next())
            return $"{group} would store {entries[0].Index} after {last}, leaving a gap";
        return null;
    }

    public void SetMeta(in GroupMeta meta, LogSegment segment)
    {
        Meta = meta;
        if (_metaSegment is not null) _metaSegment.Pins--;
        _metaSegment = segment;
        segment.Pins++;
        if (meta.Snapshot is { } snapshot) DropThrough(snapshot.Last.Index);
    }

    /// <summary>Forgets all entries: a snapshot from the leader replaces them.</summary>
    public void Clear()
    {
        if (_entries.Count > 0) DropThrough(_entries.Last);
    }

    /// <summary>Takes entries, truncating what is stored from the first one's index on.</summary>
    public void Append(ReadOnlySpan<LogEntry> entries, LogSegment segment)
    {
        TruncateFrom(entries[0].Index);
        // A snapshot may have been recorded that already covers some of them.
        while (!entries.IsEmpty && entries[0].Index <= SnapshotIndex) entries = entries[1..];
        if (entries.IsEmpty) return;
        _entries.Append(entries);
        foreach (ref readonly LogEntry entry in entries) _entryBytes += LogFormat.EntryBytes(entry);
        AddRange(_ranges.Count, new EntryRange(entries[0].Index, entries[^1].Index, segment));
        MergeAround(_ranges.Count - 1);
    }

    /// <summary>
    /// Writes to the batch what this group still has in <paramref name="from"/>, as far as the room goes, and counts it
    /// as being in
    /// <paramref name="to"/>. The first record is written even if it is larger, if <paramref name="atLeastOne"/>.
    /// </summary>
    public void Carry(LogSegment from, LogSegment to, LogBuffer buffer, long limitBytes, bool atLeastOne)
    {
        if (_metaSegment == from && (atLeastOne || buffer.LengthBytes + LogFormat.MetaBytes <= limitBytes))
        {
            buffer.WriteMeta(group, Meta, Meta.Snapshot is null ? SnapshotEffect.None : SnapshotEffect.Covers);
            SetMeta(Meta, to);
            atLeastOne = false;
        }
        for (int i = 0; i < _ranges.Count; i++)
        {
            if (_ranges[i].Segment != from) continue;
            EntryRange range = _ranges[i];
            int fitting = CountFitting(range, limitBytes - buffer.LengthBytes, atLeastOne);
            if (fitting == 0) return;
            atLeastOne = false;
            var carried = new EntryRange(range.First, range.First + (ulong)(fitting - 1), to);
            buffer.WriteEntries(RecordKind.Carried, group, _entries.Slice(carried.First, carried.Last));
            RemoveRange(i);
            if (carried.Last < range.Last) AddRange(i, range with { First = carried.Last.Next() });
            AddRange(i, carried);
            MergeAround(i);
            if (carried.Last < range.Last) return;
            i = -1; // Merging may have moved the ranges; there are few.
        }
    }

    private int CountFitting(in EntryRange range, long room, bool atLeastOne)
    {
        int count = 0;
        long bytes = LogFormat.EntriesHeaderBytes;
        foreach (ref readonly LogEntry entry in _entries.Slice(range.First, range.Last))
        {
            bytes += LogFormat.EntryBytes(entry);
            if (bytes > room && !(atLeastOne && count == 0)) break;
            count++;
        }
        return count;
    }

    private void TruncateFrom(LogIndex first)
    {
        if (_entries.Count == 0 || first > _entries.Last) return;
        int count = first <= _entries.First ? _entries.Count : (int)(_entries.Last - first) + 1;
        Uncount(_entries.Items[^count..]);
        _entries.RemoveLast(count);
        while (_ranges.Count > 0 && _ranges[^1].First >= first) RemoveRange(_ranges.Count - 1);
        if (_ranges.Count > 0 && _ranges[^1].Last >= first)
            CollectionsMarshal.AsSpan(_ranges)[^1].Last = first.Previous();
    }

    private void DropThrough(LogIndex last)
    {
        if (_entries.Count == 0 || last < _entries.First) return;
        int count = last >= _entries.Last ? _entries.Count : (int)(last - _entries.First) + 1;
        Uncount(_entries.Items[..count]);
        _entries.RemoveFirst(count);
        while (_ranges.Count > 0 && _ranges[0].Last <= last) RemoveRange(0);
        if (_ranges.Count > 0 && _ranges[0].First <= last) CollectionsMarshal.AsSpan(_ranges)[0].First = last.Next();
    }

    private void Uncount(ReadOnlySpan<LogEntry> entries)
    {
        foreach (ref readonly LogEntry entry in entries) _entryBytes -= LogFormat.EntryBytes(entry);
    }

    private void AddRange(int at, in EntryRange range)
    {
        _ranges.Insert(at, range);
        range.Segment.Pins++;
    }

    private void RemoveRange(int at)
    {
        _ranges[at].Segment.Pins--;
        _ranges.RemoveAt(at);
    }

    private void MergeAround(int at)
    {
        if (at + 1 < _ranges.Count && _ranges[at + 1].Segment == _ranges[at].Segment) MergeWithNext(at);
        if (at > 0 && _ranges[at - 1].Segment == _ranges[at].Segment) MergeWithNext(at - 1);
    }

    private void MergeWithNext(int at)
    {
        LogIndex last = _ranges[at + 1].Last;
        RemoveRange(at + 1);
        CollectionsMarshal.AsSpan(_ranges)[at].Last = last;
    }
}
