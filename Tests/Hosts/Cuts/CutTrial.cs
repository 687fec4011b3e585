using System.Diagnostics;
using System.Globalization;
using Orleans.Raft.Chaos;
using Orleans.Raft.Histories;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Operation = Orleans.Raft.Linearizability.Operation;

namespace Orleans.Raft.Hosts;

/// <summary>
/// One cut from its beginning to after its end: what a client of all silos is told, group by group, and a client that
/// knows only the minority. Everything both were told must be linearizable.
/// </summary>
/// <param name="number">Of the trial; makes its keys new.</param>
/// <param name="writer">A client of all silos.</param>
/// <param name="reader">Another one.</param>
/// <param name="inside">A client of the minority alone.</param>
internal sealed class CutTrial(int number, IKeyValueStore writer, IKeyValueStore reader, IKeyValueStore inside)
{
    /// <summary>What groups' keys begin with, one group each: <see cref="SplitAt"/> divides them.</summary>
    private const string Groups = "!@Zq";

    /// <summary>The silos' option --split-at.</summary>
    public const string SplitAt = "8,P,h";

    /// <summary>By then what must happen has happened, however slow the machine is.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly History _history = new();

    /// <summary>Cuts, waits until all is known, and heals.</summary>
    /// <param name="duration">How long the cut lasts at least.</param>
    /// <param name="moves">The minority's slots; null: it has its replicas on its own disks.</param>
    /// <returns>When the majority went on: the slowest group's first write, and first read.</returns>
    /// <exception cref="ChaosException">Something is wrong.</exception>
    public async Task<(TimeSpan Write, TimeSpan Read)> RunAsync(Action cut, Action heal, TimeSpan duration,
        Action<string> say, CancellationToken cancellation, SlotMoves? moves = null)
    {
        GroupProbe[] writers = Probes(writer, client: 0, writes: true);
        GroupProbe[] readers = Probes(reader, client: 1, writes: false);
        GroupProbe[] writersInside = Probes(inside, client: 2, writes: true);
        GroupProbe[] readersInside = Probes(inside, client: 3, writes: false);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task[] running = [.. writers.Concat(readers).Select(probe => probe.RunAsync(stop.Token))];
        try
        {
            await SlowestAsync(writers, Stopwatch.GetTimestamp(), "write before the cut", cancellation);
            foreach (GroupProbe probe in writersInside.Concat(readersInside)) await ServeAsync(probe, "before the cut");
            cut();
            long cutAt = Stopwatch.GetTimestamp();
            Task refused = RefuseAllAsync([.. writersInside, .. readersInside]);
            Task<TimeSpan> written = SlowestAsync(writers, cutAt, "write", cancellation);
            Task<TimeSpan> read = SlowestAsync(readers, cutAt, "linearizable read", cancellation);
            Task away = moves?.AwayAsync(cutAt) ?? Task.CompletedTask;
            await Task.WhenAll(refused, written, read, away);
            // A silo that has found out that its slots are elsewhere ends, and tells nothing any more.
            if (moves is null) await FindInsideAsync();
            TimeSpan left = duration - Stopwatch.GetElapsedTime(cutAt);
            if (left > TimeSpan.Zero) await Task.Delay(left, cancellation);
            heal();
            long healedAt = Stopwatch.GetTimestamp();
            if (moves is not null) await moves.BackAsync();
            await Task.WhenAll(writersInside.Concat(readersInside).Select(probe => ServeAsync(probe, "after healing")));
            await SlowestAsync(readers, healedAt, "linearizable read after healing", cancellation);
            say(string.Create(CultureInfo.InvariantCulture, $"healed: the minority's clients are served again after "
                + $"{Stopwatch.GetElapsedTime(healedAt).TotalMilliseconds:0} ms"));
            return (await written, await read);
        }
        finally
        {
            heal();
            await stop.CancelAsync();
            await Task.WhenAll(running);
        }
    }

    /// <summary>Checks all that clients were told.</summary>
    /// <exception cref="ChaosException">It is not linearizable.</exception>
    public string Judge(string directory)
    {
        IReadOnlyList<HistoryEntry> entries = _history.Entries();
        LinearizabilityResult result = LinearizabilityChecker.Check(entries);
        int unknown = entries.Count(entry => entry.Outcome == OperationOutcome.Unknown);
        if (result.IsLinearizable) return $"{entries.Count} operations, {unknown} of unknown outcome, linearizable";
        string picture = Path.Combine(directory, $"cut-{number}.html");
        File.WriteAllText(picture, ViolationPicture.Draw(entries, result));
        throw new ChaosException($"NOT LINEARIZABLE: {result.Explain()}Picture: {picture}");
    }

    private GroupProbe[] Probes(IKeyValueStore store, int client, bool writes) =>
        [.. Groups.Select(first => new GroupProbe(store, _history, client, KeyOf(first), writes))];

    private string KeyOf(char group) => string.Create(CultureInfo.InvariantCulture, $"{group}cut-{number}");

    private static async Task<TimeSpan> SlowestAsync(IEnumerable<GroupProbe> probes, long after, string what,
        CancellationToken cancellation)
    {
        try
        {
            TimeSpan[] times = await Task.WhenAll(probes.Select(probe => probe.AnsweredAsync(after)))
                .WaitAsync(Deadline, cancellation);
            return times.Max();
        }
        catch (TimeoutException late)
        {
            throw new ChaosException($"no {what} was answered in every group within {Deadline.TotalSeconds:0} s", late);
        }
    }

    /// <summary>What the minority answers is wrong, whatever it is.</summary>
    private static async Task RefuseAllAsync(GroupProbe[] probes)
    {
        string?[] reasons = await Task.WhenAll(probes.Select(probe => probe.CallAsync()));
        int answered = reasons.Count(reason => reason is null);
        if (answered > 0)
            throw new ChaosException($"the minority answered {answered} of {reasons.Length} writes and linearizable "
                + "reads that were asked of it after the cut");
    }

    /// <summary>That it refuses says something only if it can be reached: what it has, it tells who asks for no more.
    /// </summary>
    private async Task FindInsideAsync()
    {
        try
        {
            foreach (char group in Groups)
                await inside.GetAsync(Operation.Bytes(KeyOf(group)), new ReadOptions(Consistency: Consistency.Stale));
        }
        catch (UnavailableException failure)
        {
            throw new ChaosException($"the minority's clients do not reach it: {failure.Message}", failure);
        }
    }

    /// <summary>Repeats a call until it is answered.</summary>
    private static async Task ServeAsync(GroupProbe probe, string when)
    {
        long start = Stopwatch.GetTimestamp();
        while (await probe.CallAsync() is { } reason)
        {
            if (Stopwatch.GetElapsedTime(start) > Deadline)
                throw new ChaosException($"the minority's clients are not served {when}: {reason}");
        }
    }
}
