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

    public async Task<ChaosResult> RunAsync(CancellationToken interrupt)
    {
        foreach ((string kind, string reason) in host.Impossible) Say($"left out: {kind}: {reason}");
        var nemesis = new Nemesis(host, options.Kinds, options.Seed, _historyPace, Say);
        using var stopLoad = new CancellationTokenSource();
        using var stopFaults = CancellationTokenSource.CreateLinkedTokenSource(interrupt);
        await host.StartAsync();
        Say("started");
        _tally.Begin();
        UniqueWriter[] writers = [.. Enumerable.Range(options.Clients, ChaosOptions.Writers)
            .Select(client => new UniqueWriter(host.StoreOf(client), client, _uniquePace, _tally))];
        Task writing = Task.WhenAll(writers.Select(writer => writer.RunAsync(stopLoad.Token)));
        Task reading = RunHistoriesAsync(stopLoad.Token);
        Task breaking = nemesis.RunAsync(stopFaults.Token, interrupt);
        try
        {
            await WaitUntilEnoughAsync(nemesis, [writing, reading, breaking], interrupt);
            await stopFaults.CancelAsync();
            await breaking;
        }
        catch (ChaosException failure)
        {
            Fail(failure.Message);
        }
        await stopLoad.CancelAsync();
        await Task.WhenAll(writing, reading).WaitAsync(interrupt);
        if (breaking.IsCompletedSuccessfully) await ReadBackAsync(writers);
        foreach (string complaint in HostLogs.FindComplaints(directory)) Fail(complaint);
        if (_tally.Unknown > _tally.Total * MaxUnknownShare)
            Fail($"{_tally.Unknown} of {_tally.Total} operations have an unknown outcome; the run says too little");
        return new ChaosResult(_tally.Elapsed, _tally, _histories, writers.Sum(writer => writer.Acknowledged),
            nemesis.Counts, _failures);
    }

    /// <summary>Until the time is over, a full history was checked and every fault was seen; or until something is
    /// wrong.</summary>
    private async Task WaitUntilEnoughAsync(Nemesis nemesis, Task[] tasks, CancellationToken interrupt)
    {
        var poll = TimeSpan.FromMilliseconds(100);
        while (_failures.Count == 0 && (_tally.Elapsed < options.Duration || _histories == 0 || !nemesis.HasDoneAll))
        {
            await Task.Delay(poll, interrupt);
            foreach (Task ended in tasks.Where(task => task.IsFaulted)) await ended;
        }
    }

    private async Task RunHistoriesAsync(CancellationToken stop)
    {
        IKeyValueStore[] stores = [.. Enumerable.Range(0, options.Clients).Select(host.StoreOf)];
        Task checking = Task.CompletedTask;
        for (int window = 1; !stop.IsCancellationRequested; window++)
        {
            var load = new HistoryLoad(stores, window, options.Seed, _historyPace, _tally);
            await load.RunAsync(HistoryOperations, stop);
            await checking;
            int number = window;
            checking = Task.Run(() => Check(number, load.History), CancellationToken.None);
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

    private async Task ReadBackAsync(UniqueWriter[] writers)
    {
        foreach (UniqueWriter writer in writers)
            foreach (string loss in await FindLossesAsync(writer)) Fail(loss);
        Say($"read back: {writers.Sum(writer => writer.Acknowledged)} acknowledged unique writes");
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
