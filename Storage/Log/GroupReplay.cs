using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// One group while the log is replayed. The replay begins in the middle of history, so that entries may come before
/// what they follow: a later record carries it, or covers it. Only the end must be whole.
/// </summary>
internal sealed class GroupReplay(GroupId group)
{
    private readonly Dictionary<ulong, (LogEntry Entry, LogSegment Segment)> _entries = [];
    private GroupMeta _meta;
    private LogSegment? _metaSegment;
    private ulong _last;

    private ulong SnapshotIndex => _meta.Snapshot?.Last.Index.Value ?? 0;

    public void SetMeta(in GroupMeta meta, SnapshotEffect effect, LogSegment segment)
    {
        ulong before = SnapshotIndex;
        _meta = meta;
        _metaSegment = segment;
        if (effect is SnapshotEffect.Replaces or SnapshotEffect.Removes)
        {
            _entries.Clear();
            _last = SnapshotIndex;
        }
        else
        {
            ForgetCovered(before);
            _last = Math.Max(_last, SnapshotIndex);
        }
    }

    /// <summary>Forgets what is stored from an index on.</summary>
    public void TruncateFrom(ulong index)
    {
        // There may be few entries, far apart: never more steps than there are entries.
        if (index <= _last && _last - index < (ulong)_entries.Count)
        {
            for (ulong at = index; at <= _last; at++) _entries.Remove(at);
        }
        else
        {
            foreach (ulong at in _entries.Keys.Where(at => at >= index).ToArray()) _entries.Remove(at);
        }
        _last = Math.Max(index - 1, SnapshotIndex);
    }

    public void Add(in LogEntry entry, LogSegment segment)
    {
        if (entry.Index.Value > SnapshotIndex) _entries[entry.Index.Value] = (entry, segment);
        _last = Math.Max(_last, entry.Index.Value);
    }

    private void ForgetCovered(ulong before)
    {
        if (SnapshotIndex <= before) return;
        if (SnapshotIndex - before <= (ulong)_entries.Count)
        {
            for (ulong index = before + 1; index <= SnapshotIndex; index++) _entries.Remove(index);
            return;
        }
        foreach (ulong index in _entries.Keys.Where(index => index <= SnapshotIndex).ToArray()) _entries.Remove(index);
    }

    /// <summary>What is live at the end; throws if something of it is nowhere in the log.</summary>
    public GroupLog Complete(string logPath)
    {
        if (_metaSegment is null) throw Corruption.Found(logPath, 0, $"{group} has entries, but no record of its own");
        var log = new GroupLog(group);
        log.SetMeta(_meta, _metaSegment);
        var run = new List<LogEntry>();
        LogSegment? segment = null;
        for (ulong index = SnapshotIndex + 1; index <= _last; index++)
        {
            if (!_entries.TryGetValue(index, out var stored))
                throw Corruption.Found(logPath, 0,
                    $"entry {index} of {group} is missing between the snapshot and {_last}");
            if (stored.Segment != segment) Flush();
            segment = stored.Segment;
            run.Add(stored.Entry);
        }
        Flush();
        return log;

        void Flush()
        {
            if (run.Count > 0) log.Append(run.ToArray(), segment!);
            run.Clear();
        }
    }
}
