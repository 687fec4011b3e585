using Orleans.Raft.Shell;

namespace Orleans.Raft.Bench;

/// <summary>What one run under load showed.</summary>
/// <param name="Errors">How many operations failed.</param>
/// <param name="FirstError">One of the failures; null if there was none.</param>
/// <param name="LoadShare">The load generator's part of the processor time that was used, 0 to 1; null where it cannot
/// be told.</param>
/// <param name="BusyShare">How busy all processors were, 0 to 1; null where it cannot be told.</param>
/// <param name="CpuMicroseconds">Processor time for one operation, warm-up included: of this process if it holds the
/// store, else of the whole machine; null where it cannot be told.</param>
internal sealed record Measurement(double PerSecond, double P50Milliseconds, double P99Milliseconds,
    double P999Milliseconds, long Errors, string? FirstError, double? LoadShare, double? BusyShare,
    double? CpuMicroseconds)
{
    public static Measurement From(LoadResult result, double? loadShare, double? busyShare, double? cpuMicroseconds) =>
        new(result.OperationsPerSecond, result.Latency.QuantileMilliseconds(0.5),
            result.Latency.QuantileMilliseconds(0.99), result.Latency.QuantileMilliseconds(0.999), result.Errors,
            result.FirstError?.Message, loadShare, busyShare, cpuMicroseconds);

    public override string ToString() =>
        $"{PerSecond,9:N0}/s, p50 {P50Milliseconds:0.000} ms, p99 {P99Milliseconds:0.000} ms, "
        + $"p99.9 {P999Milliseconds:0.000} ms, load {Share(LoadShare)}, busy {Share(BusyShare)}, "
        + $"{CpuMicroseconds?.ToString("0.0") ?? "?"} us of CPU each"
        + (Errors == 0 ? "" : $", {Errors} ERRORS: {FirstError}");

    private static string Share(double? share) => share is { } known ? $"{known:P0}" : "?";
}
