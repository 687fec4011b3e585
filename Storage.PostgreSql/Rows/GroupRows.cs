using System.Runtime.InteropServices;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>
/// One group as of the last flush composed, and what of it that flush must change. Belongs to the turn. Entries share
/// their payloads with the core.
/// </summary>
internal sealed class GroupRows(GroupId group)
{
    private const int RowBytes = 100;

    private const int EntryHeaderBytes = 29;

    private readonly List<LogEntry> _entries = [];

    // Entries before it were dropped.
    private int _start;

    // What the table holds: indexes, both included; none if the first is above the last.
    private ulong _storedFirst = 1;
    private ulong _storedLast;

    /// <summary>From this index on, the table is not what it should be; null if it is.</summary>
    private ulong? _changedFrom;

    private bool _rowChanged;
    private long _entryBytes;
    private long _countedBytes;

    public GroupId Group => group;

    public ReplicaRow Row { get; private set; } = new(group, 0, default, default, default, null, 0);


    public LogIndex LastIndex => Count > 0 ? _entries[^1].Index : SnapshotIndex;

    private int Count => _entries.Count - _start;

    private LogIndex SnapshotIndex => Row.Snapshot?.File.Last.Index ?? LogIndex.Zero;

    private ReadOnlySpan<LogEntry> Entries => CollectionsMarshal.AsSpan(_entries)[_start..];

    public RecoveredReplica ToRecovered() => new(
        new RaftState(Row.HardState, Row.Snapshot?.File.Last ?? EntryId.Zero, Entries.ToArray()), Row.Snapshot?.File);

    /// <summary>Takes what the tables hold at an opening. Says what is wrong with it; null if nothing is.</summary>
    public string? Recover(ReplicaRow row, ReadOnlySpan<EntryRow> entries)
    {
        Row = row;
        foreach (ref readonly EntryRow stored in entries)
        {
            LogIndex expected = LastIndex.Next();
            if (stored.Entry.Index != expected) return $"entry {expected} is missing, {stored.Entry.Index} is there";
            _entries.Add(stored.Entry);
            _entryBytes += BytesOf(stored.Entry);
        }
        if (!entries.IsEmpty) (_storedFirst, _storedLast) = (entries[0].Entry.Index.Value, LastIndex.Value);
        return null;
    }

    /// <summary>Why such a write must not be made; null if it may.</summary>
    public string? Problem(SnapshotFile? install, ReadOnlySpan<LogEntry> entries)
    {
        if (install is not null && install.Last.Index < SnapshotIndex)
            return $"{group} would install snapshot {install.Last} over the newer {Row.Snapshot!.File.Last}";
        LogIndex last = install?.Last.Index ?? LastIndex;
        if (!entries.IsEmpty && entries[0].Index > last.Next())
            return $"{group} would store {entries[0].Index} after {last}, leaving a gap";
        return null;
    }

    public void SetRow(ReplicaRow row)
    {
        Row = row;
        _rowChanged = true;
        while (Count > 0 && _entries[_start].Index <= SnapshotIndex)
        {
            _entryBytes -= BytesOf(_entries[_start]);
            _entries[_start++] = default;
        }
        if (_start <= Count) return;
        _entries.RemoveRange(0, _start);
        _start = 0;
    }

    /// <summary>Forgets all entries.</summary>
    public void Clear()
    {
        _entries.Clear();
        _start = 0;
        _entryBytes = 0;
        _changedFrom = 0;
    }

    /// <summary>Takes entries, truncating what is stored from the first one's index on.</summary>
    public void Append(ReadOnlySpan<LogEntry> entries)
    {
        ulong first = entries[0].Index.Value;
        while (Count > 0 && _entries[^1].Index.Value >= first)
        {
            _entryBytes -= BytesOf(_entries[^1]);
            _entries.RemoveAt(_entries.Count - 1);
        }
        _changedFrom = Math.Min(_changedFrom ?? ulong.MaxValue, first);
        foreach (ref readonly LogEntry entry in entries)
        {
            if (entry.Index <= SnapshotIndex) continue; // One was recorded that covers it.
            _entries.Add(entry);
            _entryBytes += BytesOf(entry);
        }
    }

    /// <summary>Adds to a flush what makes the tables what they should be, and takes it that they will be.</summary>
    public void TakeChanges(RowChecksum checksum, List<DeletedEntries> deleted, List<ReplicaRow> rows,
        List<EntryRow> inserted)
    {
        if (_rowChanged) rows.Add(Row = checksum.Seal(Row));
        _rowChanged = false;
        ulong first = Count > 0 ? _entries[_start].Index.Value : LastIndex.Value + 1;
        ulong changed = Math.Max(_changedFrom ?? ulong.MaxValue, first);
        _changedFrom = null;
        // What is stored and stays is from `first` to below `changed`.
        Delete(deleted, _storedFirst, Math.Min(_storedLast, first - 1));
        Delete(deleted, Math.Max(changed, _storedFirst), _storedLast);
        if (changed != ulong.MaxValue && Count > 0)
        {
            foreach (ref readonly LogEntry entry in Entries[(int)(changed - first)..])
                inserted.Add(checksum.Seal(group, entry));
        }
        (_storedFirst, _storedLast) = Count > 0 ? (first, LastIndex.Value) : (1, 0);
    }

    /// <summary>By how many bytes its rows grew since this was last asked.</summary>
    public long TakeGrowth()
    {
        long growth = RowBytes + _entryBytes - _countedBytes;
        _countedBytes += growth;
        return growth;
    }

    private static long BytesOf(in LogEntry entry) => EntryHeaderBytes + entry.Payload.Length;

    private void Delete(List<DeletedEntries> deleted, ulong first, ulong last)
    {
        if (first <= last) deleted.Add(new DeletedEntries(group, new LogIndex(first), new LogIndex(last)));
    }
}
