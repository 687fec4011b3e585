using System.Diagnostics.Metrics;

namespace Orleans.Raft.Storage;

/// <summary>What flushing costs, for whoever listens to the meter <c>Orleans.Raft</c>; nothing is measured while nobody
/// does.</summary>
internal static class LogMetrics
{
    private static readonly Meter s_meter = new("Orleans.Raft");

    private static readonly Histogram<double> s_seconds =
        s_meter.CreateHistogram<double>("raft.flush_duration_seconds", "s");

    private static readonly Histogram<long> s_bytes = s_meter.CreateHistogram<long>("raft.flush_bytes", "By");

    public static bool AreOn => s_seconds.Enabled || s_bytes.Enabled;

    public static void Flushed(TimeSpan duration, int bytes)
    {
        s_seconds.Record(duration.TotalSeconds);
        s_bytes.Record(bytes);
    }
}
