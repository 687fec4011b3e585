namespace Orleans.Raft.Chaos;

/// <summary>Breaks the store and mends it, again and again: first every kind of fault once, then as the seed draws
/// them.</summary>
/// <param name="kinds">What to draw from; all of them are among the host's faults.</param>
/// <param name="pace">Faults begin while clients are busy.</param>
/// <param name="say">Takes a line for everything that is done.</param>
public sealed class Nemesis(IChaosHost host, IReadOnlyList<string> kinds, int seed, Pace pace,
    Action<string> say)
{
    private static readonly TimeSpan HealDeadline = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan HealPoll = TimeSpan.FromMilliseconds(200);

    private readonly Random _random = new(seed);
    private readonly Dictionary<string, int> _counts = kinds.ToDictionary(kind => kind, _ => 0);

    /// <summary>Faults done so far, by kind.</summary>
    public IReadOnlyDictionary<string, int> Counts => _counts;

    public bool HasDoneAll => _counts.Values.All(count => count > 0);

    /// <summary>Goes on until it is told to stop, and ends only when what it broke is mended.</summary>
    /// <exception cref="ChaosException">Something stays broken.</exception>
    public async Task RunAsync(CancellationToken stop, CancellationToken interrupt)
    {
        if (kinds.Count == 0) return;
        string[] first = [.. kinds];
        _random.Shuffle(first);
        for (int number = 0; ; number++)
        {
            await Task.Delay(500 + _random.Next(2000), stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stop.IsCancellationRequested) return;
            string kind = number < first.Length ? first[number] : kinds[_random.Next(kinds.Count)];
            await pace.BurstAsync();
            await Task.Delay(_random.Next(40), CancellationToken.None);
            await BreakAsync(kind, interrupt);
            await WaitUntilHealedAsync(interrupt);
            _counts[kind]++;
        }
    }

    private async Task BreakAsync(string kind, CancellationToken interrupt)
    {
        try
        {
            await host.Faults[kind](new Random(_random.Next()), say, interrupt);
        }
        catch (Exception failure) when (failure is TimeoutException or InvalidOperationException or ChildGoneException)
        {
            throw new ChaosException($"{kind}: {failure.Message}", failure);
        }
    }

    private async Task WaitUntilHealedAsync(CancellationToken interrupt)
    {
        IReadOnlyList<string> problems = [];
        for (TimeSpan waited = TimeSpan.Zero; waited < HealDeadline; waited += HealPoll)
        {
            problems = await host.FindProblemsAsync();
            if (problems.Count == 0) return;
            await Task.Delay(HealPoll, interrupt);
        }
        throw new ChaosException($"Still wrong {HealDeadline.TotalSeconds:F0} s after the fault ended: "
            + string.Join("; ", problems));
    }
}

/// <summary>The store does not come back from a fault.</summary>
public sealed class ChaosException(string message, Exception? inner = null) : Exception(message, inner);
