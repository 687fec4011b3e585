using System.Globalization;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;

namespace Orleans.Raft.Chaos;

/// <summary>How long and how hard.</summary>
/// <param name="Duration">The least; the run goes on until it has done enough to say something.</param>
/// <param name="Clients">Clients whose histories are checked.</param>
/// <param name="OperationsPerSecond">The most, of all clients together.</param>
/// <param name="Kinds">Kinds of faults; empty: none.</param>
public sealed record ChaosOptions(TimeSpan Duration, int Seed, int Clients, double OperationsPerSecond,
    IReadOnlyList<string> Kinds)
{
    /// <summary>Clients that write what nobody writes again, besides those with histories.</summary>
    public const int Writers = 2;

    /// <summary>A run that is not over by then has failed: its duration, a whole history at this rate, and some minutes
    /// to mend what is broken and to read everything back.</summary>
    public TimeSpan Limit { get; init; } =
        Duration + TimeSpan.FromMinutes(5) + TimeSpan.FromSeconds(2 * ChaosRun.HistoryOperations / OperationsPerSecond);

    /// <summary>To break something and to mend it; a silo that is started again has two minutes.</summary>
    public TimeSpan FaultLimit { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>After a fault all nodes must be well by then.</summary>
    public TimeSpan HealLimit { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>What is still under way after a finding, or an interruption, must end by then; a call has a minute.
    /// </summary>
    public TimeSpan EndLimit { get; init; } = TimeSpan.FromSeconds(90);

    public static int AllClients(int clients) => clients + Writers;
}

/// <summary>What a run did and found.</summary>
/// <param name="Failures">Must be empty.</param>
public sealed record ChaosResult(TimeSpan Elapsed, Tally Tally, int Histories, int Unique,
    IReadOnlyDictionary<string, int> Faults, IReadOnlyList<string> Failures);

/// <summary>
/// Load, faults and verdicts. Histories are checked one after another, each on new keys, so that a run of hours needs
/// no more memory than one of seconds; what unique writers wrote is read back at the end.
/// </summary>
/// <param name="directory">Takes pictures of what is wrong.</param>
public sealed class ChaosRun(IChaosHost host, ChaosOptions options, string directory, Action<string> report)
{
    /// <summary>Operations of one history, besides those that were refused.</summary>
    public const int HistoryOperations = 5000;

    /// <summary>A history with more unknown outcomes than this says too little; so does a run.</summary>
    private const double MaxUnknownShare = 0.1;

    /// <summary>To read everything back; each waits as long as a call may take.</summary>
    private const int ReadAttempts = 6;

    /// <summary>Of all operations; the rest are in histories.</summary>
    private const double UniqueShare = 0.125;

    private readonly Tally _tally = new();
    private readonly Pace _historyPace = new(options.OperationsPerSecond * (1 - UniqueShare));
    private readonly Pace _uniquePace = new(options.OperationsPerSecond * UniqueShare);
    private readonly List<string> _failures = [];
    private int _histories;
    private Func<string> _awaited = () => "";

    /// <summary>What is wrong with a history as evidence; null: nothing. One that the end of the run cut short is none
    /// that must say much.</summary>
    public static string? FindWeakness(IReadOnlyList<HistoryEntry> entries)
    {
        int unknown = Count(entries, OperationOutcome.Unknown);
        int counted = entries.Count - Count(entries, OperationOutcome.Refused);
        if (counted < HistoryOperations || unknown <= counted * MaxUnknownShare) return null;
        return string.Create(CultureInfo.InvariantCulture, $"{unknown} of {counted} operations have an unknown "
            + $"outcome, more than {MaxUnknownShare:P0}; it says too little");
    }

    /// <summary>Ends by <see cref="ChaosOptions.Limit"/>; nothing of it goes on behind its caller's back.</summary>
    /// <exception cref="OperationCanceledException">It was interrupted before anything was found.</exception>
    public async Task<ChaosResult> RunAsync(CancellationToken interrupt)
    {
        foreach ((string kind, string reason) in host.Impossible) Say($"left out: {kind}: {reason}");
        using var end = CancellationTokenSource.CreateLinkedTokenSource(interrupt);
        end.CancelAfter(options.Limit);
        var nemesis = new Nemesis(host, options, _historyPace, Say);
        UniqueWriter[] writers = [.. Enumerable.Range(options.Clients, ChaosOptions.Writers)
            .Select(client => new UniqueWriter(host.StoreOf(client), client, _uniquePace, _tally))];
        try
        {
            await RunUntilAsync(nemesis, writers, end.Token);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            if (!interrupt.IsCancellationRequested)
                Fail($"the run is not over after {options.Limit.TotalSeconds:F0} s; it waited for {_awaited()}");
        }
        foreach (string complaint in HostLogs.FindComplaints(directory)) Fail(complaint);
        if (!interrupt.IsCancellationRequested && _tally.Unknown > _tally.Total * MaxUnknownShare)
            Fail($"{_tally.Unknown} of {_tally.Total} operations have an unknown outcome; the run says too little");
        string[] failures;
        lock (_failures) failures = [.. _failures];
        if (failures.Length == 0) interrupt.ThrowIfCancellationRequested();
        return new ChaosResult(_tally.Elapsed, _tally, _histories, writers.Sum(writer => writer.Acknowledged),
            nemesis.Counts, failures);
    }

    /// <param name="end">Breaks off everything.</param>
    private async Task RunUntilAsync(Nemesis nemesis, UniqueWriter[] writers, CancellationToken end)
    {
        _awaited = () => "the store to start";
        await host.StartAsync(end);
        Say("started");
        _tally.Begin();
        using var stopLoad = new CancellationTokenSource();
        using var stopFaults = CancellationTokenSource.CreateLinkedTokenSource(end);
        Task<bool> writing = FindAsync(Task.WhenAll(writers.Select(writer => writer.RunAsync(stopLoad.Token))), end);
        Task<bool> reading = FindAsync(RunHistoriesAsync(stopLoad.Token), end);
        Task<bool> breaking = FindAsync(nemesis.RunAsync(stopFaults.Token, end), end);
        Task load = Task.WhenAll(writing, reading);
        try
        {
            await WaitUntilEnoughAsync(nemesis, end);
            await stopFaults.CancelAsync();
            _awaited = () => nemesis.Awaited;
            bool isWhole = await breaking.WaitAsync(end);
            await stopLoad.CancelAsync();
            if (!isWhole) return;
            _awaited = () => "clients' last calls, and the last history to be checked";
            await load.WaitAsync(end);
            _awaited = () => "everything to be read back";
            foreach (string loss in await FindLossesAsync(writers).WaitAsync(end)) Fail(loss);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // What comes later is no longer waited for.
            string awaited = _awaited();
            _awaited = () => awaited;
            throw;
        }
        finally
        {
            await stopFaults.CancelAsync();
            await stopLoad.CancelAsync();
            await EndAsync(nemesis, breaking, load, end);
        }
    }

    /// <summary>Whatever a task of the run fails with is a finding, and ends the run.</summary>
    /// <returns>Whether it did what it had to.</returns>
    private async Task<bool> FindAsync(Task task, CancellationToken end)
    {
        try
        {
            await task;
            return true;
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            return false;
        }
#pragma warning disable CA1031 // Whatever it is, it is told.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Fail(failure is ChaosException ? failure.Message : failure.ToString());
            return false;
        }
    }

    /// <summary>Until the time is over, a full history was checked and every fault was seen; or until something is
    /// wrong.</summary>
    private async Task WaitUntilEnoughAsync(Nemesis nemesis, CancellationToken end)
    {
        _awaited = () =>
        {
            List<string> missing = [.. nemesis.Counts.Where(fault => fault.Value == 0).Select(fault => fault.Key)];
            if (missing.Count > 0) missing = [$"fault {string.Join(", ", missing)}", nemesis.Awaited];
            return string.Join("; ", _histories == 0 ? missing.Prepend("a whole history") : missing);
        };
        var poll = TimeSpan.FromMilliseconds(100);
        while (!HasFailed && (_tally.Elapsed < options.Duration || _histories == 0 || !nemesis.HasDoneAll))
            await Task.Delay(poll, end);
    }

    /// <summary>Faults end first, as they mend what they broke; then calls end, or are cut off.</summary>
    private async Task EndAsync(Nemesis nemesis, Task breaking, Task load, CancellationToken end)
    {
        string late = $"after {options.EndLimit.TotalSeconds:F0} s";
        if (!await EndsAsync(breaking)) Fail($"told to stop, and still waiting for {nemesis.Awaited} {late}");
        if (!end.IsCancellationRequested && !await EndsAsync(load)) Fail($"clients' last calls do not end {late}");
        host.CutOff("the run is over");
        if (!await EndsAsync(load)) Fail($"calls that were cut off, or the check of a history, do not end {late}");
    }

    private async Task<bool> EndsAsync(Task task)
    {
        await task.WaitAsync(options.EndLimit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return task.IsCompleted;
    }

    private async Task RunHistoriesAsync(CancellationToken stop)
    {
        IKeyValueStore[] stores = [.. Enumerable.Range(0, options.Clients).Select(host.StoreOf)];
        Task checking = Task.CompletedTask;
        for (int window = 1; !stop.IsCancellationRequested; window++)
        {
            var load = new HistoryLoad(stores, window, options.Seed, _historyPace, _tally);
            Task running = load.RunAsync(HistoryOperations, stop);
            // Also what clients were told before one of them failed is checked.
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await checking;
            int number = window;
            checking = Task.Run(() => Check(number, load.History), CancellationToken.None);
            if (!running.IsFaulted) continue;
            await checking;
            await running;
        }
        await checking;
    }

    private void Check(int number, History history)
    {
        IReadOnlyList<HistoryEntry> entries = history.Entries();
        long start = TimeProvider.System.GetTimestamp();
        LinearizabilityResult result = LinearizabilityChecker.Check(entries);
        TimeSpan took = TimeProvider.System.GetElapsedTime(start);
        string verdict = result.IsLinearizable ? "linearizable" : "NOT LINEARIZABLE";
        Say($"history {number}: {entries.Count} operations, {Count(entries, OperationOutcome.Refused)} refused, "
            + $"{Count(entries, OperationOutcome.Unknown)} of unknown outcome, {verdict}, checked in "
            + $"{took.TotalMilliseconds:F0} ms");
        if (!result.IsLinearizable)
        {
            string file = Path.Combine(directory, $"history-{number}");
            File.WriteAllLines($"{file}.txt", entries.Select(entry =>
                $"{entry.Invoked}-{(entry.Returned == long.MaxValue ? "" : entry.Returned)} {entry}"));
            File.WriteAllText($"{file}.html", ViolationPicture.Draw(entries, result));
            Fail($"history {number}: {result.Explain()}Picture: {file}.html; all of it: {file}.txt");
        }
        if (FindWeakness(entries) is { } weakness) Fail($"history {number}: {weakness}");
        Interlocked.Increment(ref _histories);
    }

    private static int Count(IReadOnlyList<HistoryEntry> entries, OperationOutcome outcome) =>
        entries.Count(entry => entry.Outcome == outcome);

    private async Task<IReadOnlyList<string>> FindLossesAsync(UniqueWriter[] writers)
    {
        var losses = new List<string>();
        foreach (UniqueWriter writer in writers) losses.AddRange(await FindLossesAsync(writer));
        Say($"read back: {writers.Sum(writer => writer.Acknowledged)} acknowledged unique writes");
        return losses;
    }

    /// <summary>The last fault may have left an election behind; but it must come to an end.</summary>
    private async Task<IReadOnlyList<string>> FindLossesAsync(UniqueWriter writer)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await writer.FindLossesAsync(host.StoreOf(0));
            }
            catch (UnavailableException) when (attempt < ReadAttempts)
            {
                Say("read back: the store is not available yet");
            }
            catch (UnavailableException failure)
            {
                return [$"what was written cannot be read back: {failure.Message}"];
            }
        }
    }

    private bool HasFailed
    {
        get
        {
            lock (_failures) return _failures.Count > 0;
        }
    }

    private void Fail(string failure)
    {
        lock (_failures) _failures.Add(failure);
        Say($"FAILED: {failure}");
    }

    private void Say(string line)
    {
        lock (_tally) report(FormattableString.Invariant($"{_tally.Elapsed.TotalSeconds,8:F1} s  {line}"));
    }
}
