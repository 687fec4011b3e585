using System.Diagnostics;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>Breaks the store and mends it, again and again: first every kind of fault once, then as the seed draws
/// them.</summary>
/// <param name="options">Its kinds are what to draw from; all of them are among the host's faults.</param>
/// <param name="pace">Faults begin while clients are busy.</param>
/// <param name="say">Takes a line for everything that is done.</param>
public sealed class Nemesis(IChaosHost host, ChaosOptions options, Pace pace, Action<string> say)
{
    private static readonly TimeSpan HealPoll = TimeSpan.FromMilliseconds(200);

    private readonly Random _random = new(options.Seed);
    private readonly Dictionary<string, int> _counts = options.Kinds.ToDictionary(kind => kind, _ => 0);

    /// <summary>Faults done so far, by kind.</summary>
    public IReadOnlyDictionary<string, int> Counts => _counts;

    public bool HasDoneAll => _counts.Values.All(count => count > 0);

    /// <summary>What is to happen next, for those who wait for it.</summary>
    public string Awaited { get; private set; } = "the first fault";

    /// <summary>Goes on until it is told to stop, and ends only when what it broke is mended.</summary>
    /// <param name="end">Breaks off what it does, too.</param>
    /// <exception cref="ChaosException">Something stays broken.</exception>
    public async Task RunAsync(CancellationToken stop, CancellationToken end)
    {
        if (options.Kinds.Count == 0) return;
        string[] first = [.. options.Kinds];
        _random.Shuffle(first);
        for (int number = 0; ; number++)
        {
            await Task.Delay(500 + _random.Next(2000), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await pace.BurstAsync(stop);
            if (stop.IsCancellationRequested) return;
            string kind = number < first.Length ? first[number] : options.Kinds[_random.Next(options.Kinds.Count)];
            await Task.Delay(_random.Next(40), CancellationToken.None);
            Awaited = $"fault {kind} to end";
            await BreakAsync(kind, end);
            Awaited = $"the store to be whole after fault {kind}";
            await WaitUntilHealedAsync(end);
            _counts[kind]++;
            Awaited = "the next fault";
        }
    }

    private async Task BreakAsync(string kind, CancellationToken end)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(end);
        limit.CancelAfter(options.FaultLimit);
        try
        {
            await host.Faults[kind](new Random(_random.Next()), say, limit.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !end.IsCancellationRequested)
        {
            throw new ChaosException($"{kind}: not over after {options.FaultLimit.TotalSeconds:F0} s");
        }
        catch (Exception failure) when (IsOfTheStore(failure))
        {
            throw new ChaosException($"{kind}: {failure.Message}", failure);
        }
    }

    private async Task WaitUntilHealedAsync(CancellationToken end)
    {
        var watch = Stopwatch.StartNew();
        IReadOnlyList<string> problems;
        do
        {
            problems = await FindProblemsAsync(end);
            if (problems.Count == 0) return;
            await Task.Delay(HealPoll, end);
        }
        while (watch.Elapsed < options.HealLimit);
        throw new ChaosException($"Still wrong {watch.Elapsed.TotalSeconds:F0} s after the fault ended: "
            + string.Join("; ", problems));
    }

    private async Task<IReadOnlyList<string>> FindProblemsAsync(CancellationToken end)
    {
        try
        {
            return await host.FindProblemsAsync().WaitAsync(options.HealLimit, end);
        }
        catch (Exception failure) when (IsOfTheStore(failure))
        {
            return [$"nobody says how the nodes are: {failure.Message}"];
        }
    }

    private static bool IsOfTheStore(Exception failure) => failure is TimeoutException or InvalidOperationException
        or ChildGoneException or UnavailableException or ChaosException;
}

/// <summary>The store does not come back from a fault, or does not answer.</summary>
public sealed class ChaosException(string message, Exception? inner = null) : Exception(message, inner);
