using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Bench;

/// <summary>Writers that append to one node's write-ahead log on the real disk, each waiting until its entry is
/// durable.</summary>
internal sealed class LogBenchmark : IAsyncDisposable
{
    private readonly LocalDisk _disk;
    private readonly NodeStorage _storage;
    private readonly GroupWriter[] _writers;

    private LogBenchmark(LocalDisk disk, NodeStorage storage, GroupWriter[] writers)
    {
        _disk = disk;
        _storage = storage;
        _writers = writers;
    }

    public static async Task<LogBenchmark> OpenAsync(string directory, int groups)
    {
        var disk = new LocalDisk(directory);
        NodeStorage storage = await NodeStorage.OpenAsync(disk, new NodeStorageOptions
        {
            Scheduler = TaskScheduler.Default,
            Time = TimeProvider.System,
            NewStoreId = Guid.NewGuid,
        });
        var writers = new GroupWriter[groups];
        for (int group = 0; group < groups; group++)
            writers[group] = new GroupWriter(await storage.OpenReplicaAsync(new GroupId((uint)group + 1), new ReplicaId(1)));
        return new LogBenchmark(disk, storage, writers);
    }

    /// <summary>Each client appends one entry of the plan's value size after the other; keys play no part.</summary>
    public async Task<Measurement> RunAsync(LoadPlan plan, CancellationToken cancellationToken)
    {
        byte[] value = plan.CreateValue();
        TimeSpan cost = await LoadRunner.CalibrateAsync(plan, cancellationToken);
        return await LoadRunner.RunInProcessAsync(
            plan, (client, _) => new ValueTask(_writers[client % _writers.Length].AppendAsync(value)), cost,
            cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _storage.DisposeAsync();
        await _disk.DisposeAsync();
    }

    /// <summary>Appends to one group's log. Completions come in order, so waiters are a queue.</summary>
    private sealed class GroupWriter(IReplicaStorage storage) : IPersistenceObserver
    {
        private static readonly Term s_term = new(1);

        private readonly Lock _lock = new();
        private readonly Queue<(ulong Number, TaskCompletionSource Done)> _waiting = new();
        private ulong _last;

        public Task AppendAsync(byte[] payload)
        {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (_lock)
            {
                _last++;
                _waiting.Enqueue((_last, done));
                var entry = new LogEntry(s_term, new LogIndex(_last), EntryKind.Command, payload);
                HardState? state = _last == 1 ? new HardState(s_term, ReplicaId.None, LogIndex.Zero) : null;
                storage.Submit(new PersistRequest(_last, state, Snapshot: null, new[] { entry }), this);
            }
            return done.Task;
        }

        public void Persisted(ulong number)
        {
            lock (_lock)
            {
                while (_waiting.TryPeek(out (ulong Number, TaskCompletionSource Done) next) && next.Number <= number)
                    _waiting.Dequeue().Done.SetResult();
            }
        }

        public void StorageFailed(Exception failure)
        {
            lock (_lock)
            {
                while (_waiting.TryDequeue(out (ulong Number, TaskCompletionSource Done) next))
                    next.Done.SetException(failure);
            }
        }
    }
}
