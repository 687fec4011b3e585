using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using System.Text.Json;
using Orleans.Raft.Embedded;

namespace Orleans.Raft.Bench;

/// <summary>What many keys cost an embedded cluster.</summary>
/// <param name="FillSeconds">Writing all keys, flushed.</param>
/// <param name="ResidentBytes">After writing and a full collection, all nodes.</param>
/// <param name="PeakBytes">The most that was resident while writing.</param>
/// <param name="RestartSeconds">From starting a new process to answering a linearizable read in every group.</param>
/// <param name="ResidentAfterRestartBytes">Then, after a full collection.</param>
internal sealed record MemoryResult(
    double FillSeconds, long ResidentBytes, long PeakBytes, double RestartSeconds, long ResidentAfterRestartBytes);

/// <summary>Fills a cluster in one process and restarts it in another, so that neither inherits memory or compiled
/// code.</summary>
internal static class MemoryBenchmark
{
    private const int KeyBytes = 16;
    private const int ValueBytes = 256;

    /// <summary>The hidden command that the child processes run.</summary>
    public const string StepCommand = "memory-step";

    public const string FillStep = "fill";

    public const string ServeStep = "serve";

    private static readonly TimeSpan s_stepTimeout = TimeSpan.FromMinutes(5);

    /// <summary>What a step prints.</summary>
    private sealed record StepReport(double Seconds, long ResidentBytes, long PeakBytes);

    /// <exception cref="BenchException">A step failed.</exception>
    public static async Task<MemoryResult> RunAsync(string parentDirectory, int keys,
        CancellationToken cancellationToken)
    {
        using ScratchDirectory directory = ScratchDirectory.Create(parentDirectory, "memory");
        (StepReport filled, _) = await RunStepAsync(FillStep, directory.Path, keys, cancellationToken);
        (StepReport served, TimeSpan serving) = await RunStepAsync(ServeStep, directory.Path, keys, cancellationToken);
        return new MemoryResult(
            filled.Seconds, filled.ResidentBytes, filled.PeakBytes, serving.TotalSeconds, served.ResidentBytes);
    }

    /// <summary>In a child: writes the keys and reports.</summary>
    public static async Task FillAsync(string directory, int keys, CancellationToken cancellationToken)
    {
        byte[] value = new byte[ValueBytes];
        new Random(1).NextBytes(value);
        await using EmbeddedCluster cluster = await EmbeddedLoad.StartClusterAsync(directory, cancellationToken);
        long began = Stopwatch.GetTimestamp();
        await EmbeddedLoad.FillAsync(cluster.Client, keys, Key, value, cancellationToken);
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        long peak = MachineFacts.StatusBytes("VmHWM") ?? Environment.WorkingSet;
        Report(new StepReport(seconds, ResidentAfterCollection(), peak));
    }

    /// <summary>In a child: starts on what <see cref="FillAsync"/> wrote and says so as soon as every group
    /// answers.</summary>
    public static async Task ServeAsync(string directory, int keys, CancellationToken cancellationToken)
    {
        long began = Stopwatch.GetTimestamp();
        await using EmbeddedCluster cluster = await EmbeddedLoad.StartClusterAsync(directory, cancellationToken);
        // Consecutive numbers have consecutive first bytes, so that these lie in every group; the last one was written
        // last.
        for (int number = Math.Max(0, keys - 100); number < keys; number++)
        {
            ReadOnlyMemory<byte>? value =
                await cluster.Client.GetAsync(Key(number), cancellationToken: cancellationToken);
            if (value?.Length != ValueBytes) throw new BenchException($"Key {number} has "
                + $"{value?.Length.ToString() ?? "no"} bytes after the restart.");
        }
        Console.WriteLine("serving");
        Report(new StepReport(Stopwatch.GetElapsedTime(began).TotalSeconds, ResidentAfterCollection(), PeakBytes: 0));
    }

    private static async Task<(StepReport Report, TimeSpan FirstLineAfter)> RunStepAsync(
        string step, string directory, int keys, CancellationToken cancellationToken)
    {
        ProcessStartInfo info = ChildProcess.Self(
            StepCommand, step, "--data", directory, "--keys", keys.ToString(CultureInfo.InvariantCulture));
        ChildResult child = await ChildProcess.RunAsync(info, "", s_stepTimeout, cancellationToken);
        StepReport report = child.Lines is [.., var last] && JsonSerializer.Deserialize<StepReport>(last) is { } read
            ? read
            : throw new BenchException($"The step {step} reported nothing.");
        return (report, child.FirstLineAfter!.Value);
    }

    private static void Report(StepReport report) => Console.WriteLine(JsonSerializer.Serialize(report));

    private static long ResidentAfterCollection()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return MachineFacts.StatusBytes("VmRSS") ?? Environment.WorkingSet;
    }

    private static byte[] Key(int number)
    {
        const int FirstPrintable = 0x21;
        const int PrintableCount = 0x7e - FirstPrintable + 1;
        byte[] key = new byte[KeyBytes];
        key[0] = (byte)(FirstPrintable + (number % PrintableCount));
        number.TryFormat(key.AsSpan(1), out _, "D15", CultureInfo.InvariantCulture);
        return key;
    }
}
