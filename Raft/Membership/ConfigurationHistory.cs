namespace Orleans.Raft.Core;

/// <summary>
/// The configurations a replica's log holds, above the one as of the end of what is compacted. The latest is in force,
/// committed or not. Raft §6; Thesis §4.1.
/// </summary>
internal sealed class ConfigurationHistory
{
    private readonly List<(LogIndex Index, Configuration Configuration)> _stack = [];
    private readonly FaultPoints _faults;

    /// <param name="index">What <paramref name="start"/> is as of.</param>
    public ConfigurationHistory(LogIndex index, Configuration start, FaultPoints faults)
    {
        _stack.Add((index, start));
        _faults = faults;
    }

    public Configuration InForce => _stack[^1].Configuration;

    /// <summary>Where the one in force was appended, or of what it is as of.</summary>
    public LogIndex InForceIndex => _stack[^1].Index;

    /// <summary>What comes back if the one in force is undone; the one in force if that cannot happen.</summary>
    public Configuration Before => _stack[Math.Max(0, _stack.Count - 2)].Configuration;

    /// <summary>Takes note of the configurations among entries that were just appended; false if there are
    /// none.</summary>
    public bool Append(ReadOnlySpan<LogEntry> entries)
    {
        bool found = false;
        foreach (ref readonly LogEntry entry in entries)
        {
            if (entry.Kind != EntryKind.Configuration) continue;
            bool decoded = Configuration.TryDecode(entry.Payload.Span, out Configuration configuration);
            Invariant.Require(decoded, $"{entry} is no configuration");
            _stack.Add((entry.Index, configuration));
            found = true;
        }

        return found;
    }

    /// <summary>Entries from <paramref name="index"/> on are gone; false if no configuration was among them.</summary>
    public bool TruncateFrom(LogIndex index)
    {
        if (_faults.Has(FaultPoint.ConfigurationKeptAfterTruncation)) return false;
        int kept = _stack.Count;
        while (kept > 1 && _stack[kept - 1].Index >= index) kept--;
        bool found = kept < _stack.Count;
        _stack.RemoveRange(kept, _stack.Count - kept);
        return found;
    }

    /// <summary>Entries up to <paramref name="index"/> can no longer be undone.</summary>
    public void Compact(LogIndex index)
    {
        int passed = 0;
        while (passed + 1 < _stack.Count && _stack[passed + 1].Index <= index) passed++;
        _stack.RemoveRange(0, passed);
    }

    /// <summary>A snapshot replaced the log.</summary>
    public void Reset(LogIndex index, Configuration configuration)
    {
        if (_faults.Has(FaultPoint.SnapshotConfigurationIgnored)) configuration = _stack[0].Configuration;
        _stack.Clear();
        _stack.Add((index, configuration));
    }
}
