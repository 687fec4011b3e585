namespace Orleans.Raft.Core.Tests;

/// <summary>What would survive a crash.</summary>
internal sealed class TestDisk
{
    private readonly List<LogEntry> _entries = [];

    // Of snapshots whose files were received.
    private readonly Dictionary<EntryId, Configuration> _received = [];

    public HardState HardState { get; private set; }

    public EntryId Snapshot { get; private set; }

    /// <summary>As of <see cref="Snapshot"/>; without one, that which the group began with.</summary>
    public Configuration Configuration { get; private set; } = Configuration.None;

    public ulong LastWrite { get; private set; }

    public LogIndex LastIndex => Snapshot.Index + (ulong)_entries.Count;

    /// <summary>Payload bytes of the entries it keeps.</summary>
    public int LogBytes => _entries.Sum(entry => entry.Payload.Length);

    public static TestDisk With(ulong term, ReplicaId votedFor, ulong commit, params ulong[] terms)
    {
        var disk = new TestDisk { HardState = new HardState(new Term(term), votedFor, new LogIndex(commit)) };
        foreach (ulong entryTerm in terms)
            disk._entries.Add(Make.Entry(entryTerm, (ulong)disk._entries.Count + 1));
        return disk;
    }

    public void Begin(Configuration configuration) => Configuration = configuration;

    public void Receive(InstallSnapshot install) => _received[install.Snapshot] = install.Configuration;

    public Configuration Received(EntryId snapshot) => _received[snapshot];

    public RaftState Recover()
    {
        LastWrite = 0;
        return new RaftState(HardState, Snapshot, _entries.ToArray()) { Configuration = Configuration };
    }

    public Term? TermAt(LogIndex index)
    {
        if (index == Snapshot.Index) return Snapshot.Term;
        return index > Snapshot.Index && index <= LastIndex ? At(index).Term : null;
    }

    public void Write(PersistRequest write)
    {
        Assert.Equal(LastWrite + 1, write.Number);
        LastWrite = write.Number;
        if (write.Snapshot is { } snapshot)
        {
            _entries.Clear();
            Snapshot = snapshot;
            Configuration = Received(snapshot);
        }

        foreach (LogEntry entry in write.Entries.Span)
        {
            Assert.True(entry.Index > Snapshot.Index && entry.Index <= LastIndex.Next(),
                $"{entry} leaves a gap after {LastIndex}");
            _entries.RemoveRange((int)(entry.Index - Snapshot.Index) - 1, (int)(LastIndex.Next() - entry.Index));
            _entries.Add(entry);
        }

        if (write.HardState is { } state)
        {
            Assert.True(state.Term > HardState.Term || (state.Term == HardState.Term
                && (state.VotedFor == HardState.VotedFor || HardState.VotedFor.IsNone)), $"{state} after {HardState}");
            Assert.True(state.Commit >= HardState.Commit, $"{state} after {HardState}");
            HardState = state;
        }

        Assert.True(HardState.Commit <= LastIndex, $"{HardState} on a log that ends at {LastIndex}");
    }

    public void RecordSnapshot(EntryId snapshot, Configuration configuration)
    {
        Assert.Equal(snapshot.Term, TermAt(snapshot.Index));
        _entries.RemoveRange(0, (int)(snapshot.Index - Snapshot.Index));
        Snapshot = snapshot;
        Configuration = configuration;
    }

    private LogEntry At(LogIndex index) => _entries[(int)(index - Snapshot.Index) - 1];
}
