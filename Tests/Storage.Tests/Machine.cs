using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>One node's storage on a simulated disk, all on the test's thread.</summary>
internal sealed class Machine(SimulatedDisk? disk = null, int segmentBytes = 16 << 10, int? schedulerSeed = null)
{
    public static readonly GroupId G1 = new(1);
    public static readonly GroupId G2 = new(2);
    public static readonly GroupId G3 = new(3);
    public static readonly ReplicaId R1 = new(1);

    private int _storeIds;

    public SimulatedDisk Disk { get; set; } = disk ?? new SimulatedDisk();

    public DeterministicScheduler Scheduler { get; } = new(schedulerSeed);

    public VirtualTime Time { get; } = new();

    public NodeStorage Storage { get; private set; } = null!;

    public int SegmentBytes { get; set; } = segmentBytes;

    public ILogger Logger { get; set; } = NullLogger.Instance;

    /// <summary>Changes the options of all openings from here on.</summary>
    public Func<NodeStorageOptions, NodeStorageOptions> Change { get; init; } = options => options;

    public NodeStorageOptions Options => Change(new NodeStorageOptions
    {
        Scheduler = Scheduler,
        Time = Time,
        NewStoreId = () => new Guid(++_storeIds, 0, 0, new byte[8]),
        SegmentBytes = SegmentBytes,
        Logger = Logger,
    });

    public NodeStorage Open() => Storage = Scheduler.Run(() => NodeStorage.OpenAsync(Disk, Options));

    public Replica OpenReplica(GroupId group, ulong id = 1) =>
        new(this, Scheduler.Run(() => Storage.OpenReplicaAsync(group, new ReplicaId(id)).AsTask()));

    public void Retire(GroupId group, ulong id) =>
        Scheduler.Run(() => Storage.RetireReplicaAsync(group, new ReplicaId(id)).AsTask());

    public void Crash() => Scheduler.Run(() => Storage.CrashAsync().AsTask());

    /// <summary>The machine loses power: the process ends, and with it what was not flushed.</summary>
    public void PowerCrash(CrashLoss loss = CrashLoss.Everything)
    {
        Disk.Crash(loss);
        if (Storage is not null) Crash();
    }

    public void Close() => Scheduler.Run(() => Storage.DisposeAsync().AsTask());

    public void Reopen(CrashLoss loss = CrashLoss.Everything)
    {
        PowerCrash(loss);
        Open();
    }

    public void Run(Func<Task> work) => Scheduler.Run(work);

    public SnapshotFile WriteSnapshot(IReplicaStorage replica, EntryId last, byte[] content) =>
        Scheduler.Run(async () =>
    {
        await using ISnapshotWriter writer = await replica.CreateSnapshotAsync(last);
        for (int offset = 0; offset < content.Length; offset += 1000)
            await writer.WriteAsync(content.AsMemory(offset, Math.Min(1000, content.Length - offset)));
        return await writer.FinishAsync();
    });

    public byte[] ReadSnapshot(IReplicaStorage replica, SnapshotFile file) => Scheduler.Run(async () =>
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

/// <summary>Keeps what is logged, level and text.</summary>
internal sealed class LogLines : ILogger
{
    public List<string> Lines { get; } = [];

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter) => Lines.Add($"{logLevel}: {formatter(state, exception)}");
}

/// <summary>A handle with an observer and numbers of its own.</summary>
internal sealed class Replica(Machine machine, IReplicaStorage storage)
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
        machine.Scheduler.RunUntilIdle();
        if (Observer.Failures.Count > 0) throw Observer.Failures[0];
        Assert.Equal(Number, Observer.Durable);
    }

    public void RecordSnapshot(SnapshotFile file) => machine.Run(() => storage.RecordSnapshotAsync(file).AsTask());
}

internal static class Same
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
