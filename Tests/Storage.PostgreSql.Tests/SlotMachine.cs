using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>One node's storage in a simulated database, all on the test's thread.</summary>
internal sealed class SlotMachine : StorageMachine
{
    public SlotMachine(int seed = 0, int? schedulerSeed = null)
        : base(schedulerSeed) => Database = new SimulatedDatabase(seed, Time, Scheduler);

    private static readonly DatabaseStorageOptions s_defaults =
        new() { Scheduler = TaskScheduler.Default, Time = TimeProvider.System };

    // Lets a flush of an earlier opening arrive that is still on its way.
    private Action? _late;

    public SimulatedDatabase Database { get; }

    public LogLines Log { get; } = new();

    public TimeSpan? GatherLimit { get; init; }

    public DatabaseStorageOptions Options => new()
    {
        Scheduler = Scheduler,
        Time = Time,
        SnapshotChunkBytes = 1024,
        MaxFlushBytes = 1 << 20,
        Logger = Log,
        GatherLimit = GatherLimit ?? s_defaults.GatherLimit,
    };

    public override long Flushes => Database.Flushes;

    public override int SnapshotsKept => Database.Snapshots;

    public DatabaseStorage Slot => (DatabaseStorage)Storage;

    public override INodeStorage Open() => Storage = OpenAnother();

    /// <summary>Opens the slot while another opening may still use it; tries again while the database cannot be
    /// reached.</summary>
    public DatabaseStorage OpenAnother() => Run(async () =>
    {
        while (true)
        {
            try
            {
                return await DatabaseStorage.OpenAsync(Database.Connect(), Options);
            }
            catch (DatabaseException failure) when (failure.Failure == DatabaseFailure.Unavailable && !Database.IsDown)
            {
                // The connection broke, as it was told to.
            }
        }
    });

    /// <summary>A database loses nothing that it acknowledged: what is lost is on its way there.</summary>
    public override void LosePower(CrashLoss loss = CrashLoss.Everything) => Database.LoseHungFlushes();

    /// <summary>Sometimes a flush is on its way, and arrives after the next opening, or is lost.</summary>
    public override T Die<T>(Random random, Func<T> atDeath)
    {
        bool hangs = random.Next(3) == 0;
        if (hangs) HangFlushes();
        RunSome(random);
        T last = atDeath();
        Crash();
        if (hangs && random.Next(2) == 0) LosePower();
        else if (hangs) _late = Database.LetHungFlushesBeLate();
        return last;
    }

    public override void CheckBounds(string where)
    {
        _late?.Invoke();
        _late = null;
        Settle();
    }

    public override void Settle()
    {
        Scheduler.RunUntilIdle();
        while (Time.UntilNextTimer is { } next)
        {
            Time.Advance(next);
            Scheduler.RunUntilIdle();
        }
    }

    public override void Run(Func<Task> work) => Run(async () =>
    {
        await work();
        return true;
    });

    public override T Run<T>(Func<Task<T>> work)
    {
        Task<T> task = Scheduler.Start(work);
        while (!task.IsCompleted)
        {
            if (Scheduler.RunOne()) continue;
            if (Time.UntilNextTimer is not { } next)
                throw new InvalidOperationException("Nothing is left to run, but the work has not ended.");
            Time.Advance(next);
        }
        return task.GetAwaiter().GetResult();
    }

    public override void HangFlushes() => Database.HangFlushes();

    public override void ReleaseFlushes() => Database.ReleaseFlushes();
}
