using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using System.Text.Json;
using Orleans.Raft.Embedded;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Bench;

/// <summary>What a cluster costs that nobody uses.</summary>
/// <param name="CpuPercent">Of one core, all nodes.</param>
/// <param name="MessagesPerSecond">Between replicas of different nodes, all groups.</param>
internal sealed record IdleCost(double CpuPercent, double MessagesPerSecond);

/// <param name="ServingSeconds">From the start to an answered linearizable read in every group.</param>
/// <param name="ResidentBytes">While idle, all nodes, after a full collection.</param>
/// <param name="HeapBytes">Then, what is alive on the managed heap.</param>
/// <param name="WriteSeconds">One write to each group, all at once, to the last answer.</param>
/// <param name="IdleAgain">After those writes.</param>
internal sealed record GroupsResult(double ServingSeconds, IdleCost Idle, long ResidentBytes, long HeapBytes,
    double WriteSeconds, IdleCost IdleAgain);

/// <summary>Forms a cluster with many groups in one process and restarts it in another.</summary>
internal static class GroupsBenchmark
{
    /// <summary>The hidden command that the child processes run.</summary>
    public const string StepCommand = "groups-step";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    /// <exception cref="BenchException">A step failed.</exception>
    public static async Task<(GroupsResult Formed, GroupsResult Restarted)> RunAsync(string parentDirectory,
        int groups, double settleSeconds, double idleSeconds, CancellationToken cancellationToken)
    {
        using ScratchDirectory directory = ScratchDirectory.Create(parentDirectory, "groups");
        return (await RunStepAsync(), await RunStepAsync());

        async Task<GroupsResult> RunStepAsync()
        {
            ProcessStartInfo info = ChildProcess.Self(StepCommand, "--data", directory.Path,
                "--groups", groups.ToString(CultureInfo.InvariantCulture),
                "--warmup", settleSeconds.ToString(CultureInfo.InvariantCulture),
                "--seconds", idleSeconds.ToString(CultureInfo.InvariantCulture));
            TimeSpan timeout = s_patience + 2 * TimeSpan.FromSeconds(settleSeconds + idleSeconds);
            ChildResult child = await ChildProcess.RunAsync(info, "", timeout, cancellationToken);
            return child.Lines is [.., var last] && JsonSerializer.Deserialize<GroupsResult>(last) is { } read
                ? read
                : throw new BenchException("The step reported nothing.");
        }
    }

    /// <summary>In a child: starts, waits until every group answers, and reports what that and doing nothing
    /// cost.</summary>
    public static async Task ServeAsync(string directory, int groups, double settleSeconds, double idleSeconds,
        CancellationToken cancellationToken)
    {
        long began = Stopwatch.GetTimestamp();
        await using EmbeddedCluster cluster =
            await EmbeddedCluster.StartAsync(new EmbeddedOptions
            {
                DataDirectory = directory,
                Groups = groups,
                Client = new KvClientOptions { Timeout = s_patience },
            });
        await cluster.WaitForLeadersAsync(cancellationToken);
        byte[][] keys = [.. (await cluster.GetRoutesAsync())!.Ranges.Groups.Select(KeyOf)];
        await Task.WhenAll(keys.Select(key => cluster.Client.GetAsync(key, cancellationToken: cancellationToken)));
        double serving = Stopwatch.GetElapsedTime(began).TotalSeconds;
        IdleCost idle = await MeasureIdleAsync(cluster, settleSeconds, idleSeconds, cancellationToken);
        (long resident, long heap) = AfterCollection();
        long wrote = Stopwatch.GetTimestamp();
        await Task.WhenAll(keys.Select(key => cluster.Client.PutAsync(key, key, cancellationToken: cancellationToken)));
        double writing = Stopwatch.GetElapsedTime(wrote).TotalSeconds;
        IdleCost again = await MeasureIdleAsync(cluster, settleSeconds, idleSeconds, cancellationToken);
        Console.WriteLine(JsonSerializer.Serialize(new GroupsResult(serving, idle, resident, heap, writing, again)));
    }

    private static async Task<IdleCost> MeasureIdleAsync(EmbeddedCluster cluster, double settleSeconds,
        double idleSeconds, CancellationToken cancellationToken)
    {
        await Task.Delay(TimeSpan.FromSeconds(settleSeconds), cancellationToken);
        long messages = cluster.SentMessages;
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long began = Stopwatch.GetTimestamp();
        await Task.Delay(TimeSpan.FromSeconds(idleSeconds), cancellationToken);
        TimeSpan passed = Stopwatch.GetElapsedTime(began);
        cpu = Environment.CpuUsage.TotalTime - cpu;
        return new IdleCost(100 * cpu / passed, (cluster.SentMessages - messages) / passed.TotalSeconds);
    }

    private static (long Resident, long Heap) AfterCollection()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return (MachineFacts.StatusBytes("VmRSS") ?? Environment.WorkingSet, GC.GetTotalMemory(false));
    }

    private static byte[] KeyOf(GroupDescriptor group) => [.. group.Start, (byte)'!'];
}
