using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>How long a silo takes for what clients ask of it, for whoever listens to the meter or the activity source
/// <c>Orleans.Raft</c>; nothing is measured while nobody does.</summary>
internal static class RequestMetrics
{
    private static readonly ActivitySource s_source = new(StoreMetrics.Name);
    private static readonly Meter s_meter = new(StoreMetrics.Name);

    private static readonly Histogram<double> s_seconds =
        s_meter.CreateHistogram<double>("raft.request_duration_seconds", "s");

    public static RequestMeasurement Begin([CallerMemberName] string operation = "") =>
        new(operation, s_seconds.Enabled ? Stopwatch.GetTimestamp() : 0, s_source.StartActivity(operation));

    internal static void Record(in RequestMeasurement measured, string outcome)
    {
        measured.Activity?.SetTag("outcome", outcome);
        measured.Activity?.Dispose();
        if (measured.Start == 0) return;
        s_seconds.Record(Stopwatch.GetElapsedTime(measured.Start).TotalSeconds,
            new KeyValuePair<string, object?>("operation", measured.Operation),
            new KeyValuePair<string, object?>("outcome", outcome));
    }
}

/// <summary>One request that is under way.</summary>
internal readonly record struct RequestMeasurement(string Operation, long Start, Activity? Activity)
{
    public void End(string outcome) => RequestMetrics.Record(this, outcome);
}
