using System.Runtime.InteropServices;

namespace Orleans.Raft.Core.Tests;

/// <summary>Drives one node as a host would, but only as far as the test lets it.</summary>
internal sealed class Replica
{
    private readonly Checker _checker;
    private readonly Queue<PersistRequest> _writes = [];
    private LogIndex _logEndOnDisk;

    public Replica(RaftOptions options, TestDisk disk, Checker checker, TimeSpan now)
    {
        Options = options;
        Disk = disk;
        _checker = checker;
        Configuration = disk.Configuration;
        Node = Start(now);
    }

    public RaftOptions Options { get; private set; }

    public TestDisk Disk { get; }

    public RaftNode Node { get; private set; }

    public ReplicaId Id => Options.Id;

    public bool IsUp { get; private set; } = true;

    /// <summary>Whether writes complete as soon as they are handed out.</summary>
    public bool PersistsAtOnce { get; set; } = true;

    /// <summary>Whether the host confirms its own read rounds at once.</summary>
    public bool ConfirmsAtOnce { get; set; } = true;

    public bool AppliesAtOnce { get; set; } = true;

    /// <summary>Writes handed out and not complete.</summary>
    public IReadOnlyCollection<PersistRequest> Writes => _writes;

    public List<OutboundMessage> Sent { get; } = [];

    public List<ReadReady> ReadsReady { get; } = [];

    public List<ulong> ReadsFailed { get; } = [];

    public List<ReplicaId> SnapshotsToSend { get; } = [];

    /// <summary>Every command this life applied, in order; what a snapshot brought is not among them.</summary>
    public List<LogEntry> Applied { get; } = [];

    public ulong RoundToConfirm { get; private set; }

    /// <summary>The group's configuration as the state machine has it.</summary>
    public Configuration Configuration { get; private set; }

    /// <summary>What the node told of its configuration, oldest first.</summary>
    public List<ConfigurationInForce> Told { get; } = [];

    public bool IsLeader => IsUp && Node.Role == Role.Leader;

    /// <summary>Takes what the node wants done, until it wants nothing more.</summary>
    public void Turn(TimeSpan now)
    {
        while (Node.HasReady)
        {
            Take(Node.TakeReady());
            if (PersistsAtOnce) PersistAll(now);
            if (ConfirmsAtOnce && RoundToConfirm != 0) Confirm(now);
        }

        _checker.Observe(this, now);
        if (AppliesAtOnce) Apply();
        _checker.Observe(this, now);
    }

    public void Step(ulong from, RaftMessage message, TimeSpan now)
    {
        if (message is InstallSnapshot install) Disk.Receive(install);
        Node.Step(new ReplicaId(from), message, now);
        Turn(now);
    }

    public void Tick(TimeSpan now)
    {
        Node.Tick(now);
        if (FallsSilent) Node.OfferSilence(CollectionsMarshal.AsSpan(Absent), now);
        Turn(now);
    }

    /// <summary>Whether it takes part in silence, which it offers with every tick.</summary>
    public bool FallsSilent
    {
        get;
        set
        {
            field = value;
            Node.MayFallSilent = value;
        }
    }

    /// <summary>Members whose nodes do not answer, as this one's node sees it.</summary>
    public List<ReplicaId> Absent { get; } = [];

    public void PersistAll(TimeSpan now)
    {
        while (_writes.Count > 0) PersistOne(now);
    }

    /// <summary>Completes the oldest write.</summary>
    public void PersistOne(TimeSpan now)
    {
        PersistRequest write = _writes.Dequeue();
        Disk.Write(write);
        Node.PersistCompleted(write.Number, now);
    }

    /// <summary>The oldest write reaches the disk, but its completion is not told.</summary>
    public void WriteWithoutTelling() => Disk.Write(_writes.Dequeue());

    public void Confirm(TimeSpan now)
    {
        Node.ConfirmRound(RoundToConfirm, now);
        RoundToConfirm = 0;
    }

    public void Apply()
    {
        while (true)
        {
            ReadOnlyMemory<LogEntry> entries = Node.NextCommitted(1 << 16);
            if (entries.IsEmpty) return;
            foreach (LogEntry entry in entries.Span)
            {
                _checker.Applies(this, entry);
                Applied.Add(entry);
                if (entry.Kind == EntryKind.Configuration) Configuration = Decoded(entry);
            }

            Node.Applied(entries.Span[^1].Index);
        }
    }

    /// <summary>Snapshots what is applied and durable, and forgets the log before it.</summary>
    public EntryId TakeSnapshot()
    {
        LogIndex index = LogIndex.Min(Node.LastApplied, Node.DurableIndex);
        if (index <= Disk.Snapshot.Index) return Disk.Snapshot;
        Configuration covered = Configuration;
        if (index < Node.LastApplied) covered = ConfigurationAsOf(index);
        Disk.RecordSnapshot(new EntryId(Node.Log.TermAt(index), index), covered);
        Node.Compact(index);
        return Disk.Snapshot;
    }

    public void Crash()
    {
        IsUp = false;
        _writes.Clear();
        Sent.Clear();
        SnapshotsToSend.Clear();
        RoundToConfirm = 0;
    }

    public void Restart(TimeSpan now)
    {
        Options = Options with { BootNonce = Options.BootNonce + 1, Seed = Options.Seed + 1_000 };
        IsUp = true;
        Applied.Clear();
        Told.Clear();
        Configuration = Disk.Configuration;
        Node = Start(now);
        Turn(now);
    }

    public static Configuration Decoded(LogEntry entry)
    {
        Assert.True(Configuration.TryDecode(entry.Payload.Span, out Configuration configuration));
        return configuration;
    }

    private Configuration ConfigurationAsOf(LogIndex index)
    {
        LogEntry last = Applied.LastOrDefault(entry =>
            entry.Kind == EntryKind.Configuration && entry.Index <= index && entry.Index > Disk.Snapshot.Index);
        return last.Index == LogIndex.Zero ? Disk.Configuration : Decoded(last);
    }

    private RaftNode Start(TimeSpan now)
    {
        var node = new RaftNode(Options, Disk.Recover(), now);
        node.MayFallSilent = FallsSilent;
        _logEndOnDisk = Disk.LastIndex;
        _checker.Started(Id, node);
        return node;
    }

    private void Take(Ready ready)
    {
        foreach (OutboundMessage message in ready.Messages) _checker.Sends(this, message);
        Sent.AddRange(ready.Messages);
        ReadsReady.AddRange(ready.ReadsReady);
        ReadsFailed.AddRange(ready.ReadsFailed);
        SnapshotsToSend.AddRange(ready.SnapshotsToSend);
        if (ready.RoundToConfirm != 0) RoundToConfirm = ready.RoundToConfirm;
        if (ready.Configuration is { } told) Told.Add(told);
        if (ready.Write is not { } write) return;
        if (write.Snapshot is { } snapshot)
        {
            _logEndOnDisk = snapshot.Index;
            Configuration = Disk.Received(snapshot);
        }

        if (!write.Entries.IsEmpty) _logEndOnDisk = write.Entries.Span[^1].Index;
        Assert.True(write.HardState is null || write.HardState.Value.Commit <= _logEndOnDisk,
            $"{write} after a log that ends at {_logEndOnDisk}");
        _checker.Writes(this, write);
        _writes.Enqueue(write);
    }
}
