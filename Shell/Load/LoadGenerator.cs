namespace Orleans.Raft.Shell;

/// <summary>Runs an operation from many callers at once and measures it.</summary>
public static class LoadGenerator
{
    private const int SynchronousRunMax = 64;
    private const int TalliesMax = 16;
    private static readonly TimeSpan s_pauseAfterError = TimeSpan.FromMilliseconds(10);

    /// <summary>Runs operations that are all of one class.</summary>
    /// <inheritdoc cref="RunAsync(LoadOptions, Func{int, long, ValueTask{int}}, CancellationToken)"/>
    public static Task<LoadResult> RunAsync(
        LoadOptions options, Func<int, long, ValueTask> operation, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(operation);
        return RunAsync(options, async (client, number) =>
        {
            await operation(client, number);
            return 0;
        }, cancellationToken);
    }

    /// <summary>Runs until the time is over and what was begun has ended.</summary>
    /// <param name="operation">
    /// Is given the client (from 0) and the number of its operation (from 0), and returns its class. An exception
    /// counts as an error; the client pauses 10 ms and goes on.
    /// </param>
    /// <exception cref="ArgumentException">The options are not valid.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; what was measured is lost.</exception>
    public static async Task<LoadResult> RunAsync(
        LoadOptions options, Func<int, long, ValueTask<int>> operation, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(operation);
        if (options.Validate() is { Count: > 0 } problems)
        {
            throw new ArgumentException(string.Join(" ", problems), nameof(options));
        }

        TimeProvider time = options.TimeProvider;
        double ticksPerSecond = time.TimestampFrequency;
        long start = time.GetTimestamp() + (long)(options.WarmUp.TotalSeconds * ticksPerSecond);
        var window = new Window(time, start, start + (long)(options.Duration.TotalSeconds * ticksPerSecond),
            1e9 / ticksPerSecond);

        var tallies = new Tally[Math.Min(options.Clients, TalliesMax)];
        for (int index = 0; index < tallies.Length; index++) tallies[index] = new Tally(options.Classes);
        var clients = new Task[options.Clients];
        for (int client = 0; client < clients.Length; client++)
        {
            int number = client;
            clients[client] = Task.Run(
                () => RunClientAsync(number, operation, window, tallies[number % tallies.Length], cancellationToken),
                CancellationToken.None);
        }
        await Task.WhenAll(clients);
        return Merge(tallies, options);
    }

    private static async Task RunClientAsync(int client, Func<int, long, ValueTask<int>> operation,
        Window window, Tally tally, CancellationToken cancellationToken)
    {
        int synchronousRun = 0;
        long now = window.Time.GetTimestamp();
        for (long number = 0; now < window.End; number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long began = now;
            try
            {
                ValueTask<int> pending = operation(client, number);
                synchronousRun = pending.IsCompleted ? synchronousRun + 1 : 0;
                int operationClass = await pending;
                now = window.Time.GetTimestamp();
                if (began >= window.Start) tally.Add(window, began, now, operationClass);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                if (began >= window.Start) tally.AddError(exception);
                await Task.Delay(s_pauseAfterError, window.Time, cancellationToken);
                now = window.Time.GetTimestamp();
            }
            if (synchronousRun < SynchronousRunMax) continue;
            synchronousRun = 0;
            await Task.Yield(); // Operations that never wait would keep the other clients from their turns.
        }
    }

    private static LoadResult Merge(Tally[] tallies, LoadOptions options)
    {
        var latency = new LatencyHistogram();
        long[] perClass = new long[options.Classes];
        foreach (Tally tally in tallies)
        {
            latency.Merge(tally.Latency);
            for (int index = 0; index < perClass.Length; index++) perClass[index] += tally.PerClass[index];
        }
        return new LoadResult(options.Duration, perClass.Sum(), tallies.Sum(tally => tally.Errors), latency, perClass,
            tallies.FirstOrDefault(tally => tally.FirstError is not null)?.FirstError);
    }

    /// <summary>The measured time, in the time provider's timestamps.</summary>
    private sealed record Window(TimeProvider Time, long Start, long End, double NanosecondsPerTimestamp);

    /// <summary>What some clients counted: few are shared by many, so that counting stays in the
    /// processor's cache.</summary>
    private sealed class Tally(int classes)
    {
        private readonly Lock _lock = new();

        public LatencyHistogram Latency { get; } = new();

        public long[] PerClass { get; } = new long[classes];

        public long Errors { get; private set; }

        public Exception? FirstError { get; private set; }

        public void Add(Window window, long began, long ended, int operationClass)
        {
            lock (_lock)
            {
                Latency.RecordNanoseconds((long)((ended - began) * window.NanosecondsPerTimestamp));
                if (ended <= window.End) PerClass[operationClass]++;
            }
        }

        public void AddError(Exception exception)
        {
            lock (_lock)
            {
                Errors++;
                FirstError ??= exception;
            }
        }
    }
}
