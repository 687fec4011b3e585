using System.Collections.Concurrent;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Bench;

/// <summary>Runs a plan against any store that takes keys.</summary>
internal static class LoadRunner
{
    private const int CalibrationRuns = 6;
    private static readonly TimeSpan s_calibration = TimeSpan.FromSeconds(0.5);
    private static readonly ConcurrentDictionary<int, TimeSpan> s_costs = new();

    /// <summary>One operation on a key, by a client of this number.</summary>
    public delegate ValueTask KeyOperation(int client, byte[] key);

    /// <summary>Measures a store outside of this process: all that this process uses is the load generator's.</summary>
    public static async Task<Measurement> RunAgainstOthersAsync(LoadPlan plan, KeyOperation operation,
        CancellationToken cancellationToken)
    {
        CpuTimes before = CpuTimes.Now();
        LoadResult result = await RunAsync(plan, operation, cancellationToken);
        CpuTimes used = CpuTimes.Now() - before;
        double? share = used.Busy > TimeSpan.Zero ? used.Own / used.Busy : null;
        return Measurement.From(result, share, BusyShare(used),
            CpuTimes.Each(used.Busy, OperationsOf(plan, result.OperationsPerSecond)));
    }

    /// <summary>
    /// Measures a store inside this process. What the generator itself uses is estimated: what an operation that does
    /// nothing but let others run costs, times the operations.
    /// </summary>
    /// <param name="operationCost">From <see cref="CalibrateAsync"/>.</param>
    public static async Task<Measurement> RunInProcessAsync(
        LoadPlan plan, KeyOperation operation, TimeSpan operationCost, CancellationToken cancellationToken)
    {
        CpuTimes before = CpuTimes.Now();
        LoadResult result = await RunAsync(plan, operation, cancellationToken);
        CpuTimes used = CpuTimes.Now() - before;
        double operations = OperationsOf(plan, result.OperationsPerSecond);
        return Measurement.From(result, operations * operationCost / used.Own, BusyShare(used),
            CpuTimes.Each(used.Own, operations));
    }

    /// <summary>
    /// The processor time that the generator spends on one operation: the least of several short runs, since whatever
    /// else this process does meanwhile only adds. Measured once for each number of clients.
    /// </summary>
    public static async Task<TimeSpan> CalibrateAsync(LoadPlan plan, CancellationToken cancellationToken)
    {
        if (s_costs.TryGetValue(plan.Clients, out TimeSpan known)) return known;
        LoadPlan quick = plan with { Duration = s_calibration, WarmUp = TimeSpan.Zero };
        TimeSpan least = TimeSpan.MaxValue;
        for (int run = 0; run < CalibrationRuns; run++)
        {
            CpuTimes before = CpuTimes.Now();
            LoadResult result = await RunAsync(quick, YieldAsync, cancellationToken);
            TimeSpan cost = (CpuTimes.Now() - before).Own / Math.Max(1, result.Operations);
            if (cost < least) least = cost;
        }
        s_costs[plan.Clients] = least;
        return least;
    }

    private static async ValueTask YieldAsync(int client, byte[] key) => await Task.Yield();

    private static Task<LoadResult> RunAsync(LoadPlan plan, KeyOperation operation, CancellationToken cancellationToken)
    {
        var keys = new LoadKeys(plan.Keys, plan.Seed);
        var options = new LoadOptions { Clients = plan.Clients, Duration = plan.Duration, WarmUp = plan.WarmUp };
        return LoadGenerator.RunAsync(
            options, (client, number) => operation(client, LoadKeys.Key(keys.Choose(client, number).Number)),
            cancellationToken);
    }

    /// <summary>Estimated for the warm-up, which is not counted.</summary>
    public static double OperationsOf(LoadPlan plan, double perSecond) =>
        perSecond * (plan.Duration + plan.WarmUp).TotalSeconds;

    private static double? BusyShare(CpuTimes used) => used.Passed > TimeSpan.Zero ? used.Busy / used.Passed : null;
}
