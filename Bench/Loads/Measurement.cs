using Orleans.Raft.Shell;

namespace Orleans.Raft.Bench;

/// <summary>What one run under load showed.</summary>
/// <param name="Errors">How many operations failed.</param>
/// <param name="FirstError">One of the failures; null if there was none.</param>
/// <param name="LoadShare">The load generator's part of the processor time that was used, 0 to 1; null where it cannot
/// be told.</param>
/// <param name="BusyShare">How busy all processors were, 0 to 1; null where it cannot be told.</param>
internal sealed record Measurement(double PerSecond, double P50Milliseconds, double P99Milliseconds,
    double P999Milliseconds,
    long Errors, string? FirstError, double? LoadShare, double? BusyShare)
{
    public static Measurement From(LoadResult result, double? loadShare, double? busyShare) => new(
        result.OperationsPerSecond, result.Latency.QuantileMilliseconds(0.5), result.Latency.QuantileMilliseconds(0.99),
        result.Latency.QuantileMilliseconds(0.999), result.Errors, result.FirstError?.Message, loadShare, busyShare);

    public override string ToString() =>
        $"{PerSecond,9:N0}/s, p50 {P50Milliseconds:0.000} ms, p99 {P99Milliseconds:0.000} ms, p99.9 "
            + $"{P999Milliseconds:0.000} ms, " +
        $"load {Share(LoadShare)}, busy {Share(BusyShare)}" + (Errors == 0 ? "" : $", {Errors} ERRORS: {FirstError}");

    private static string Share(double? share) => share is { } known ? $"{known:P0}" : "?";
}
