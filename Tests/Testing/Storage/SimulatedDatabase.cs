using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Storage.PostgreSql;

namespace Orleans.Raft.Testing;

/// <summary>What a slot's database is asked for.</summary>
public enum DatabaseQuestion
{
    Open,
    DeleteUnrecorded,
    Flush,
    Confirm,
    WriteChunk,
    ReadChunk,
    DeleteSnapshot,
}

/// <summary>When a question fails.</summary>
public enum FailureMoment
{
    /// <summary>It has no effect.</summary>
    BeforeIt,

    /// <summary>It took effect, but who asked does not hear of it.</summary>
    AfterIt,
}

/// <summary>
/// A database in memory that holds one slot. It outlives its users, may have several at once, and what a user asked for
/// may take effect after that one has died. Without latency every answer comes at once.
/// </summary>
/// <param name="seed">Decides the store's id, how long answers take, and which questions fail.</param>
/// <param name="time">Needed for latency.</param>
/// <param name="scheduler">Where the database itself works; null: where it was asked.</param>
public sealed class SimulatedDatabase(int seed = 0, VirtualTime? time = null, TaskScheduler? scheduler = null)
    : ISimulatedMedium
{
    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);
    private readonly List<(DatabaseQuestion Question, FailureMoment Moment, DatabaseFailure Failure)> _failures = [];
    private readonly SortedDictionary<GroupId, ReplicaRow> _replicas = [];
    private readonly SortedDictionary<(GroupId Group, LogIndex Index), EntryRow> _entries =
        new(Comparer<(GroupId Group, LogIndex Index)>.Create((x, y) =>
            x.Group != y.Group ? x.Group.CompareTo(y.Group) : x.Index.CompareTo(y.Index)));

    private readonly SortedDictionary<(ulong Incarnation, int Snapshot, int Number), SnapshotChunkRow> _chunks = [];
    private FormationRow? _formation;
    private ulong _incarnation;
    private ulong _lastFlush;
    private TaskCompletionSource? _hang;
    private TimeSpan _least;
    private TimeSpan _most;

    // Of databases in this place: grows when it is lost.
    private short _life;
    private long _connections;

    // Connections up to this number reach nothing.
    private long _cutUpTo;

    public StoreId StoreId => new(new Guid(seed + 1, _life, 0, new byte[8]));

    public string Description { get; init; } = "simulated database";

    /// <summary>Whether nobody can reach it: what is asked has no effect, what was not yet answered stays so.</summary>
    public bool IsDown { get; set; }

    /// <summary>How many bytes of snapshots there is room for; null: without end.</summary>
    public long? FreeBytes { get; set; }

    /// <summary>Of how many questions in a thousand the connection breaks, before or after they take effect.</summary>
    public int BrokenPerMille { get; set; }

    /// <summary>How many flushes were applied.</summary>
    public long Flushes { get; private set; }

    /// <summary>How many questions of each kind arrived.</summary>
    public Dictionary<DatabaseQuestion, int> Asked { get; } = [];

    /// <summary>How many failed because they were to.</summary>
    public long Broken { get; private set; }

    /// <summary>How many flushes came again that had been applied already.</summary>
    public long Repeated { get; private set; }

    /// <summary>How many snapshots have chunks here.</summary>
    public int Snapshots
    {
        get
        {
            lock (_lock) return _chunks.Keys.DistinctBy(key => (key.Incarnation, key.Snapshot)).Count();
        }
    }

    /// <inheritdoc/>
    /// <remarks>Of snapshots.</remarks>
    public long WritesWithoutRoom { get; private set; }

    long ISimulatedMedium.FailedOperations => Broken;

    public int Entries
    {
        get
        {
            lock (_lock) return _entries.Count;
        }
    }

    /// <summary>A connection for one opening of the slot.</summary>
    public ISlotDatabase Connect() => new SimulatedSlotDatabase(this, (_life, Interlocked.Increment(ref _connections)));

    /// <summary>Who is connected reaches it no more until <see cref="MendConnections"/>; who connects now
    /// does.</summary>
    public void CutConnections()
    {
        lock (_lock) _cutUpTo = _connections;
    }

    public void MendConnections()
    {
        lock (_lock) _cutUpTo = 0;
    }

    async Task<INodeStorage> ISimulatedMedium.OpenAsync(StorageContext context) => await DatabaseStorage.OpenAsync(
        Connect(), new DatabaseStorageOptions
        {
            Scheduler = context.Scheduler,
            Time = context.Time,
            SnapshotChunkBytes = 4 << 10,
            MaxFlushBytes = 64 << 10,
            Logger = context.Logger,
            Faults = context.Faults,
        });

    /// <summary>Nothing: it loses nothing that it acknowledged, and what is under way may yet take effect.</summary>
    void ISimulatedMedium.Crash(CrashLoss loss)
    {
    }

    void ISimulatedMedium.SlowDown(VirtualTime time, TimeSpan least, TimeSpan most) => SlowDown(least, most);

    /// <summary>The slot is lost; an empty one is in its place. Who was connected reaches nothing any more.</summary>
    public void Wipe()
    {
        lock (_lock)
        {
            _life++;
            _replicas.Clear();
            _entries.Clear();
            _chunks.Clear();
            _formation = null;
            (_incarnation, _lastFlush) = (0, 0);
            FreeBytes = null;
        }
        ForgetFailures();
        LoseHungFlushes();
    }

    /// <summary>It is up, and no connection breaks.</summary>
    public void ForgetFailures()
    {
        lock (_lock) _failures.Clear();
        (IsDown, BrokenPerMille) = (false, 0);
        MendConnections();
    }

    public string? RotDurable(Random random)
    {
        lock (_lock)
        {
            if (_entries.Count == 0) return null;
            (GroupId group, LogIndex index) = _entries.Keys.ElementAt(random.Next(_entries.Count));
            EntryRow row = _entries[(group, index)];
            // A leader's first entry says nothing.
            if (row.Entry.Payload.IsEmpty) return null;
            RotEntry(group, index.Value);
            return $"{group} {row.Entry.Id}";
        }
    }

    public bool Holds(GroupId group, ReplicaId replica, EntryId entry)
    {
        lock (_lock)
        {
            if (!_replicas.TryGetValue(group, out ReplicaRow? row) || row.Replica != replica) return false;
            return row.Snapshot?.File.Last.Index >= entry.Index
                || (_entries.TryGetValue((group, entry.Index), out EntryRow found) && found.Entry.Term == entry.Term);
        }
    }

    /// <summary>Answers take that long from now on; half of it on the way there.</summary>
    public void SlowDown(TimeSpan least, TimeSpan most) => (_least, _most) = (least, most);

    /// <summary>The next question of that kind fails so.</summary>
    public void FailNext(DatabaseQuestion question, FailureMoment moment,
        DatabaseFailure failure = DatabaseFailure.Unavailable)
    {
        lock (_lock) _failures.Add((question, moment, failure));
    }

    /// <summary>Flushes take no effect and are not answered until released.</summary>
    public void HangFlushes()
    {
        lock (_lock) _hang ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public void ReleaseFlushes()
    {
        TaskCompletionSource? hang;
        lock (_lock)
        {
            hang = _hang;
            _hang = null;
        }
        hang?.SetResult();
    }

    /// <summary>What hangs goes on hanging, what comes now does not. Returns what lets it go on.</summary>
    public Action LetHungFlushesBeLate()
    {
        lock (_lock)
        {
            TaskCompletionSource? hang = _hang;
            _hang = null;
            return () => hang?.TrySetResult();
        }
    }

    /// <summary>What hangs is lost on its way.</summary>
    public void LoseHungFlushes()
    {
        TaskCompletionSource? hang;
        lock (_lock)
        {
            hang = _hang;
            _hang = null;
        }
        hang?.SetException(Failed(DatabaseFailure.Unavailable));
    }

    /// <summary>Flips a bit of an entry's payload.</summary>
    public void RotEntry(GroupId group, ulong index)
    {
        lock (_lock)
        {
            EntryRow row = _entries[(group, new LogIndex(index))];
            _entries[(group, new LogIndex(index))] =
                row with { Entry = row.Entry with { Payload = Rotten(row.Entry.Payload) } };
        }
    }

    public void LoseEntry(GroupId group, ulong index)
    {
        lock (_lock) _entries.Remove((group, new LogIndex(index)));
    }

    public void ChangeReplica(GroupId group, Func<ReplicaRow, ReplicaRow?> change)
    {
        lock (_lock)
        {
            if (change(_replicas[group]) is { } changed) _replicas[group] = changed;
            else _replicas.Remove(group);
        }
    }

    public void RotFormation()
    {
        lock (_lock) _formation = _formation! with { Data = Rotten(_formation.Data) };
    }

    /// <summary>Flips a bit of the first chunk of the newest snapshot, or drops its last chunk.</summary>
    public void RotSnapshot(bool drop)
    {
        lock (_lock)
        {
            (ulong, int, int) last = _chunks.Keys.Last();
            if (drop) _chunks.Remove(last);
            else _chunks[last] = _chunks[last] with { Data = Rotten(_chunks[last].Data) };
        }
    }

    /// <summary>Answers a question, after a while; whoever asked may be gone by then.</summary>
    private async Task<T> AnswerAsync<T>((short Life, long Number) connection, DatabaseQuestion question, Func<T> apply)
    {
        (TimeSpan there, TimeSpan back, FailureMoment? breaks, DatabaseFailure failure, Task hang) = Receive(question);
        if (there > TimeSpan.Zero) await time!.AfterAsync(there);
        await hang;
        if (!IsReached(connection)) throw Failed(DatabaseFailure.Unavailable);
        if (breaks == FailureMoment.BeforeIt) throw Failed(failure);
        T answer;
        lock (_lock) answer = apply();
        if (back > TimeSpan.Zero) await time!.AfterAsync(back);
        if (!IsReached(connection)) throw Failed(DatabaseFailure.Unavailable);
        if (breaks == FailureMoment.AfterIt) throw Failed(failure);
        return answer;
    }

    private bool IsReached((short Life, long Number) connection)
    {
        lock (_lock) return !IsDown && connection.Life == _life && connection.Number > _cutUpTo;
    }

    /// <param name="connection">The life of the database that was connected to, and a number.</param>
    internal Task<T> StartAsync<T>((short Life, long Number) connection, DatabaseQuestion question, Func<T> apply) =>
        scheduler is null
            ? AnswerAsync(connection, question, apply)
            : StartedWork.On(scheduler, () => AnswerAsync(connection, question, apply));

    internal SlotContent Open()
    {
        _incarnation++;
        return new SlotContent(StoreId, _incarnation, _lastFlush, _formation, [.. _replicas.Values],
            [.. _entries.Values], _chunks.Values.GroupBy(chunk => chunk.Snapshot).ToDictionary(
                chunks => chunks.Key, chunks => ((long)chunks.Count(), chunks.Sum(chunk => (long)chunk.Data.Length))));
    }

    internal bool DeleteUnrecorded(ulong incarnation)
    {
        if (incarnation != _incarnation) return false;
        HashSet<SnapshotKey> recorded = [.. _replicas.Values.Select(row => row.Snapshot?.Key).OfType<SnapshotKey>()];
        foreach ((ulong, int, int) key in _chunks.Where(pair => pair.Key.Incarnation < incarnation
            && !recorded.Contains(pair.Value.Snapshot)).Select(pair => pair.Key).ToArray()) _chunks.Remove(key);
        return true;
    }

    internal bool Flush(SlotFlush flush)
    {
        Confirm(flush.Incarnation);
        if (flush.Number == _lastFlush)
        {
            Repeated++;
            return true;
        }
        Invariant.Require(flush.Number == _lastFlush + 1, $"flush {flush.Number} came after {_lastFlush}");
        _lastFlush = flush.Number;
        Flushes++;
        foreach (DeletedEntries range in flush.Deleted)
        {
            for (LogIndex index = range.First; index <= range.Last; index = index.Next())
                Invariant.Require(_entries.Remove((range.Group, index)), $"{range.Group} has no {index} to delete");
        }
        foreach (ReplicaRow row in flush.Replicas) _replicas[row.Group] = row;
        foreach (EntryRow row in flush.Entries)
        {
            LogEntry copy = row.Entry with { Payload = row.Entry.Payload.ToArray() };
            _entries.Add((row.Group, row.Entry.Index), row with { Entry = copy });
        }
        if (flush.Formation is { } formation) _formation = formation with { Data = formation.Data.ToArray() };
        return true;
    }

    internal bool Confirm(ulong incarnation) => incarnation == _incarnation
        ? true
        : throw new FencedException($"{Description} was opened again: incarnation {_incarnation} took it from "
            + $"{incarnation}.");

    internal bool WriteChunk(ulong incarnation, SnapshotChunkRow chunk)
    {
        Confirm(incarnation);
        FreeBytes -= chunk.Data.Length;
        if (FreeBytes < 0)
        {
            FreeBytes += chunk.Data.Length;
            WritesWithoutRoom++;
            throw Failed(DatabaseFailure.Full);
        }
        _chunks[(chunk.Snapshot.Incarnation, chunk.Snapshot.Number, chunk.Number)] =
            chunk with { Data = chunk.Data.ToArray() };
        return true;
    }

    internal SnapshotChunkRow? ReadChunk(SnapshotKey snapshot, int number) =>
        _chunks.GetValueOrDefault((snapshot.Incarnation, snapshot.Number, number));

    internal bool DeleteSnapshot(ulong incarnation, SnapshotKey snapshot)
    {
        Confirm(incarnation);
        foreach ((ulong, int, int) key in _chunks.Where(pair => pair.Value.Snapshot == snapshot)
            .Select(pair => pair.Key).ToArray()) _chunks.Remove(key);
        return true;
    }

    private static byte[] Rotten(ReadOnlyMemory<byte> bytes)
    {
        byte[] rotten = bytes.ToArray();
        rotten[^1] ^= 1;
        return rotten;
    }

    private DatabaseException Failed(DatabaseFailure failure) =>
        new(failure, $"{Description}: {failure}, as it was told to.");

    private (TimeSpan There, TimeSpan Back, FailureMoment? Breaks, DatabaseFailure Failure, Task Hang) Receive(
        DatabaseQuestion question)
    {
        lock (_lock)
        {
            Asked[question] = Asked.GetValueOrDefault(question) + 1;
            FailureMoment? breaks = null;
            DatabaseFailure failure = DatabaseFailure.Unavailable;
            if (BrokenPerMille > 0 && _random.Next(1000) < BrokenPerMille)
                breaks = _random.Next(2) == 0 ? FailureMoment.BeforeIt : FailureMoment.AfterIt;
            int planned = _failures.FindIndex(plan => plan.Question == question);
            if (planned >= 0)
            {
                (_, breaks, failure) = _failures[planned];
                _failures.RemoveAt(planned);
            }
            if (breaks is not null) Broken++;
            TimeSpan latency = _most > TimeSpan.Zero ? _least + ((_most - _least) * _random.NextDouble()) : default;
            TimeSpan there = latency / 2;
            Task hang = question == DatabaseQuestion.Flush && _hang is not null ? _hang.Task : Task.CompletedTask;
            return (there, latency - there, breaks, failure, hang);
        }
    }
}

/// <summary>One user's connection. When it is disposed, what is under way is no longer answered, but may yet take
/// effect.</summary>
internal sealed class SimulatedSlotDatabase(SimulatedDatabase database, (short Life, long Number) connection)
    : ISlotDatabase
{
    private readonly Lock _lock = new();
    private readonly List<Action> _abandon = [];
    private bool _disposed;

    public string Description => database.Description;

    public async ValueTask<SlotContent> OpenAsync() => await AskAsync(DatabaseQuestion.Open, database.Open);

    public async ValueTask DeleteUnrecordedAsync(ulong incarnation) =>
        await AskAsync(DatabaseQuestion.DeleteUnrecorded, () => database.DeleteUnrecorded(incarnation));

    public async ValueTask FlushAsync(SlotFlush flush) =>
        await AskAsync(DatabaseQuestion.Flush, () => database.Flush(flush));

    public async ValueTask ConfirmAsync(ulong incarnation) =>
        await AskAsync(DatabaseQuestion.Confirm, () => database.Confirm(incarnation));

    public async ValueTask WriteChunkAsync(ulong incarnation, SnapshotChunkRow chunk) =>
        await AskAsync(DatabaseQuestion.WriteChunk, () => database.WriteChunk(incarnation, chunk));

    public async ValueTask<SnapshotChunkRow?> ReadChunkAsync(SnapshotKey snapshot, int number) =>
        await AskAsync(DatabaseQuestion.ReadChunk, () => database.ReadChunk(snapshot, number));

    public async ValueTask DeleteSnapshotAsync(ulong incarnation, SnapshotKey snapshot) =>
        await AskAsync(DatabaseQuestion.DeleteSnapshot, () => database.DeleteSnapshot(incarnation, snapshot));

    public ValueTask DisposeAsync()
    {
        Action[] abandoned;
        lock (_lock)
        {
            _disposed = true;
            abandoned = [.. _abandon];
            _abandon.Clear();
        }
        foreach (Action abandon in abandoned) abandon();
        return ValueTask.CompletedTask;
    }

    private Task<T> AskAsync<T>(DatabaseQuestion question, Func<T> apply)
    {
        var answered = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Abandon() => answered.TrySetException(
            new DatabaseException(DatabaseFailure.Unavailable, $"The connection to {Description} was closed."));
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _abandon.Add(Abandon);
        }
        _ = ForwardAsync(database.StartAsync(connection, question, apply), answered, Abandon);
        return answered.Task;
    }

    private async Task ForwardAsync<T>(Task<T> answer, TaskCompletionSource<T> answered, Action abandon)
    {
        try
        {
            answered.TrySetResult(await answer);
        }
#pragma warning disable CA1031 // It is the asker's.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            answered.TrySetException(failure);
        }
        lock (_lock) _abandon.Remove(abandon);
    }
}
