using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Xunit;

namespace Orleans.Raft.Testing;

/// <summary>One node's storage of some kind and what it stands on, which survives its crashes.</summary>
public abstract class StorageMachine(int? schedulerSeed = null)
{
    public static readonly GroupId G1 = new(1);
    public static readonly GroupId G2 = new(2);
    public static readonly GroupId G3 = new(3);
    public static readonly ReplicaId R1 = new(1);

    public DeterministicScheduler Scheduler { get; } = new(schedulerSeed);

    public VirtualTime Time { get; } = new();

    public INodeStorage Storage { get; protected set; } = null!;

    /// <summary>How often what was written was made durable.</summary>
    public abstract long Flushes { get; }

    /// <summary>How many snapshots take room, finished or not, needed or not.</summary>
    public abstract int SnapshotsKept { get; }

    public abstract INodeStorage Open();

    /// <summary>What was not durable is lost.</summary>
    public abstract void LosePower(CrashLoss loss = CrashLoss.Everything);

    /// <summary>The process ends in the middle of something, and with it perhaps the machine.</summary>
    /// <param name="atDeath">Asked for the last that was heard of it.</param>
    public abstract T Die<T>(Random random, Func<T> atDeath);

    /// <summary>Requires that what is stored takes no more room than it may.</summary>
    public abstract void CheckBounds(string where);

    /// <summary>Flushes take no effect and do not complete until released.</summary>
    public abstract void HangFlushes();

    public abstract void ReleaseFlushes();

    /// <summary>Lets everything happen, or only a few steps.</summary>
    protected void RunSome(Random random)
    {
        if (random.Next(2) == 0) Settle();
        else for (int steps = random.Next(4); steps > 0; steps--) Scheduler.RunOne();
    }

    /// <summary>Lets everything happen that can.</summary>
    public virtual void Settle() => Scheduler.RunUntilIdle();

    /// <summary>Begins work without waiting for it.</summary>
    public virtual Task<T> Start<T>(Func<Task<T>> work) => Scheduler.Start(work);

    public virtual void Run(Func<Task> work) => Scheduler.Run(work);

    public virtual T Run<T>(Func<Task<T>> work) => Scheduler.Run(work);

    public MachineReplica OpenReplica(GroupId group, ulong id = 1) =>
        new(this, Run(() => Storage.OpenReplicaAsync(group, new ReplicaId(id)).AsTask()));

    public void Retire(GroupId group, ulong id) =>
        Run(() => Storage.RetireReplicaAsync(group, new ReplicaId(id)).AsTask());

    /// <summary>The machine loses power: the process ends, and with it what was not durable.</summary>
    public void PowerCrash(CrashLoss loss = CrashLoss.Everything)
    {
        LosePower(loss);
        if (Storage is not null) Crash();
    }

    public void Crash() => Run(() => Storage.CrashAsync().AsTask());

    public void Close() => Run(() => Storage.DisposeAsync().AsTask());

    public void Reopen(CrashLoss loss = CrashLoss.Everything)
    {
        PowerCrash(loss);
        Open();
    }

    public SnapshotFile WriteSnapshot(IReplicaStorage replica, EntryId last, byte[] content) =>
        Run(async () =>
    {
        await using ISnapshotWriter writer = await replica.CreateSnapshotAsync(last);
        for (int offset = 0; offset < content.Length; offset += 1000)
            await writer.WriteAsync(content.AsMemory(offset, Math.Min(1000, content.Length - offset)));
        return await writer.FinishAsync();
    });

    public byte[] ReadSnapshot(IReplicaStorage replica, SnapshotFile file) => Run(async () =>
    {
        await using ISnapshotReader reader = await replica.OpenSnapshotAsync(file);
        byte[] content = new byte[file.LengthBytes];
        for (int offset = 0; offset < content.Length;)
            offset += await reader.ReadAsync(offset, content.AsMemory(offset, Math.Min(777, content.Length - offset)));
        return content;
    });

    public static LogEntry Entry(ulong index, ulong term = 1, int bytes = 20) =>
        new(new Term(term), new LogIndex(index), EntryKind.Command, Payload(index, term, bytes));

    public static LogEntry[] Entries(ulong first, int count, ulong term = 1, int bytes = 20) =>
        [.. Enumerable.Range(0, count).Select(i => Entry(first + (ulong)i, term, bytes))];

    public static EntryId Id(ulong index, ulong term = 1) => new(new Term(term), new LogIndex(index));

    /// <summary>The result of what must have completed.</summary>
    public static T Completed<T>(Task<T> task)
    {
        Assert.True(task.IsCompleted, "the task has not completed");
        return task.GetAwaiter().GetResult();
    }

    public static byte[] Content(int length, int seed = 1)
    {
        byte[] content = new byte[length];
        new Random(seed).NextBytes(content);
        return content;
    }

    private static byte[] Payload(ulong index, ulong term, int bytes)
    {
        byte[] payload = new byte[bytes];
        new Random((int)((index * 31) + term)).NextBytes(payload);
        return payload;
    }
}

/// <summary>A handle with an observer and numbers of its own.</summary>
public sealed class MachineReplica(StorageMachine machine, IReplicaStorage storage)
{
    public IReplicaStorage Storage => storage;

    public Recorder Observer { get; } = new();

    public ulong Number { get; private set; }

    public RaftState State => storage.Recovered.State;

    /// <summary>Queues a write and does not run it.</summary>
    public void Submit(LogEntry[]? entries = null, HardState? hardState = null, EntryId? snapshot = null) =>
        storage.Submit(new PersistRequest(++Number, hardState, snapshot, entries ?? []), Observer);

    /// <summary>Writes, and requires that it was acknowledged; throws the failure that the observer was told.</summary>
    public void Write(LogEntry[]? entries = null, HardState? hardState = null, EntryId? snapshot = null)
    {
        Submit(entries, hardState, snapshot);
        machine.Settle();
        if (Observer.Failures.Count > 0) throw Observer.Failures[0];
        Assert.Equal(Number, Observer.Durable);
    }

    public void RecordSnapshot(SnapshotFile file) => machine.Run(() => storage.RecordSnapshotAsync(file).AsTask());
}

public static class Same
{
    public static void State(RaftState expected, RaftState actual)
    {
        Assert.Equal(expected.HardState, actual.HardState);
        Assert.Equal(expected.Snapshot, actual.Snapshot);
        Entries(expected.Entries.Span, actual.Entries.Span);
    }

    public static void Entries(ReadOnlySpan<LogEntry> expected, ReadOnlySpan<LogEntry> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Equal(expected[i], actual[i]), $"{expected[i]} became {actual[i]}");
    }

    public static bool Equal(in LogEntry left, in LogEntry right) =>
        left.Id == right.Id && left.Kind == right.Kind && left.Payload.Span.SequenceEqual(right.Payload.Span);
}
