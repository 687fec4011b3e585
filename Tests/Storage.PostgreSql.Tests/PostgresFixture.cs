using Orleans.Raft.PostgreSql;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>One server for all tests of a class, if there can be one.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private PostgresServer? _server;
    private int _slots;

    public PostgresServer Server => _server ?? throw new InvalidOperationException("There is no server.");

    public async Task InitializeAsync()
    {
        if (PostgresServer.IsAvailable(out _)) _server = await PostgresServer.StartAsync();
    }

    public async Task DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
    }

    /// <summary>A new slot in a database and under a role of its own.</summary>
    public async Task<PostgresMachine> MakeSlotAsync() =>
        await PostgresMachine.MakeAsync(Server, $"db{Interlocked.Increment(ref _slots)}");
}

/// <summary>One node's storage in a real database, with real threads and a real clock.</summary>
public sealed class PostgresMachine : StorageMachine
{
    private readonly ConcurrentExclusiveSchedulerPair _schedulers = new();

    private PostgresMachine(PostgresServer server, string database, string connection)
    {
        Server = server;
        Database = database;
        Options = new PostgresOptions { ConnectionString = connection, Slot = "Slot-1" };
        Schema = new SlotSchema(Options);
    }

    public PostgresServer Server { get; }

    public string Database { get; }

    public PostgresOptions Options { get; private set; }

    public SlotSchema Schema { get; private set; }

    public LogLines Log { get; } = new();

    public DatabaseStorage Slot => (DatabaseStorage)Storage;

    public override long Flushes => throw new NotSupportedException();

    public override int SnapshotsKept => int.Parse(Query("select count(*) from "
        + "(select from \"slot-1\".snapshot_chunk group by incarnation, snapshot) as snapshots"));

    public static async Task<PostgresMachine> MakeAsync(PostgresServer server, string database,
        string? tablespace = null)
    {
        var machine = new PostgresMachine(server, database, await server.CreateDatabaseAsync(database, tablespace));
        Assert.EndsWith(": the tables were made (version 1).", await machine.Schema.PrepareAsync(Guid.NewGuid),
            StringComparison.Ordinal);
        return machine;
    }

    /// <summary>The same slot as another server has it.</summary>
    public void MoveTo(PostgresServer server)
    {
        Options = Options with { ConnectionString = server.ConnectionString(Database, Database) };
        Schema = new SlotSchema(Options);
    }

    public override INodeStorage Open() => Storage = Run(OpenAnotherAsync);

    public Task<DatabaseStorage> OpenAnotherAsync() => DatabaseStorage.OpenAsync(new PostgresSlotDatabase(Options),
        new DatabaseStorageOptions
        {
            Scheduler = _schedulers.ExclusiveScheduler,
            Time = TimeProvider.System,
            SnapshotChunkBytes = 1024,
            Logger = Log,
        });

    public string Query(string query) => Server.QueryAsync(Database, query).GetAwaiter().GetResult();

    public override void LosePower(CrashLoss loss = CrashLoss.Everything)
    {
    }

    public override T Die<T>(Random random, Func<T> atDeath) => throw new NotSupportedException();

    public override void CheckBounds(string where)
    {
    }

    public override void HangFlushes() => throw new NotSupportedException();

    public override void ReleaseFlushes() => throw new NotSupportedException();

    /// <summary>Waits until all that was queued is durable and what is superseded is gone.</summary>
    public override void Settle()
    {
        try
        {
            Run(() => Slot.DrainAsync().AsTask());
        }
        catch (FencedException)
        {
            // There is nothing to wait for.
        }
        WaitUntil("superseded snapshots are gone", () => Slot.Removals == 0);
    }

    public static void WaitUntil(string what, Func<bool> condition) =>
        PostgresServer.WaitUntilAsync(what, () => Task.FromResult(condition())).GetAwaiter().GetResult();

    public override Task<T> Start<T>(Func<Task<T>> work) =>
        Task.Factory.StartNew(work, default, TaskCreationOptions.None, _schedulers.ExclusiveScheduler).Unwrap();

    public override void Run(Func<Task> work) => Run(async () =>
    {
        await work();
        return true;
    });

    public override T Run<T>(Func<Task<T>> work) => Start(work).GetAwaiter().GetResult();
}
