using System.Diagnostics;
using System.Globalization;
using Orleans.Raft.Chaos;
using Orleans.Raft.KeyValue;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Hosts;

/// <summary>What becomes of the slots of silos that are cut off: the others take them over, each from its database, and
/// give some back when those silos are there again.</summary>
/// <param name="minority">The silos that are cut off, from 0.</param>
/// <param name="findProblemsAsync">What keeps the replicas of any group from following one leader; none: all
/// do.</param>
internal sealed class SlotMoves(SlotLayout layout, SiloCluster silos, int[] minority,
    Func<Task<IReadOnlyList<string>>> findProblemsAsync, Action<string> say, CancellationToken cancellation)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    /// <summary>Waits until every silo has a slot, so that a cut takes one away from whomever it hits.</summary>
    public static Task EvenAsync(SlotLayout layout, int count, CancellationToken cancellation) => UntilAsync(
        "not every silo has a slot",
        async () => (await layout.HoldersAsync()).Values.Distinct().Count() == count ? null : "", cancellation);

    /// <summary>Waits until the others have the slots, and all replicas of all groups work there.</summary>
    public async Task AwayAsync(long cutAt)
    {
        await UntilAsync("the slots of the silos cut off are not all on others and well", async () =>
        {
            IReadOnlyDictionary<string, string> holders = await layout.HoldersAsync();
            string[] left = [.. minority.Select(SiloCluster.NameOf).Intersect(holders.Values)];
            if (left.Length > 0) return $"slots on {string.Join(", ", left)}";
            try
            {
                IReadOnlyList<string> problems = await findProblemsAsync();
                return problems.Count == 0 ? null : string.Join("; ", problems);
            }
            catch (UnavailableException failure)
            {
                // The client may have asked a silo that is cut off.
                return failure.Message;
            }
        }, cancellation);
        say(string.Create(CultureInfo.InvariantCulture, $"time slots: all replicas of all groups live among the others "
            + $"{Stopwatch.GetElapsedTime(cutAt).TotalMilliseconds:0} ms after the cut"));
    }

    /// <summary>Waits until the silos that were cut off find themselves taken for dead, and end; and starts them anew, as
    /// whoever runs silos for real does.</summary>
    public async Task BackAsync()
    {
        await UntilAsync("a silo that the others took for dead goes on",
            () => Task.FromResult(Array.Exists(minority, silos.IsRunning) ? "" : null), cancellation);
        silos.StartMissing();
        await silos.ReadyAsync(cancellation);
        say("the silos that were cut off had ended, and were started anew");
    }

    /// <param name="whyNotAsync">Null as soon as it is so.</param>
    private static async Task UntilAsync(string failure, Func<Task<string?>> whyNotAsync,
        CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        while (await whyNotAsync() is { } reason)
        {
            if (Stopwatch.GetElapsedTime(start) > CutTrial.Deadline)
                throw new ChaosException($"{failure} after {CutTrial.Deadline.TotalSeconds:0} s: {reason}");
            await Task.Delay(Poll, cancellation);
        }
    }
}
