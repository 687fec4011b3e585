using System.Diagnostics.Metrics;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Tells whoever listens to the meter <c>Orleans.Raft</c> how a node is. All of it is read when it is asked for;
/// <c>docs/metrics.md</c> says what each means.
/// </summary>
public sealed class StoreMetrics : IDisposable
{
    /// <summary>Of all meters and activity sources of the store.</summary>
    public const string Name = "Orleans.Raft";

    private readonly Meter _meter = new(Name);
    private readonly StoreNode _node;
    private readonly KeyValuePair<string, object?> _tag;

    public StoreMetrics(StoreNode node)
    {
        _node = node;
        _tag = new("node", node.Name.Value);
        Count("raft.proposed_batches", "{batch}", StoreCount.ProposedBatches);
        Count("raft.committed_entries", "{entry}", StoreCount.CommittedEntries);
        Count("raft.applied_entries", "{entry}", StoreCount.AppliedEntries);
        Count("raft.read_batches", "{batch}", StoreCount.ReadBatches);
        Count("raft.busy_requests", "{request}", StoreCount.BusyRequests);
        Count("raft.elections", "{election}", StoreCount.Elections);
        Count("raft.leader_changes", "{change}", StoreCount.LeaderChanges);
        Count("raft.refused_messages", "{message}", StoreCount.RefusedMessages);
        Count("raft.snapshot_sent_bytes", "By", StoreCount.SnapshotSentBytes);
        Count("raft.snapshot_received_bytes", "By", StoreCount.SnapshotReceivedBytes);
        _meter.CreateObservableCounter("raft.sent_messages", () => Of(_node.SentMessages), "{message}");
        Gauge("raft.replicas", "{replica}", static replicas => replicas.Count);
        Gauge("raft.led_groups", "{group}", static replicas => replicas.Count(r => r.Status.Role == "leader"));
        Gauge("raft.leaderless_replicas", "{replica}",
            static replicas => replicas.Count(r => r.StopReason is null && r.Leader is null));
        Gauge("raft.stopped_replicas", "{replica}", static replicas => replicas.Count(r => r.StopReason is not null));
        Gauge("raft.waiting_requests", "{request}", static replicas => replicas.Sum(r => r.WaitingRequests));
        Gauge("raft.waiting_bytes", "By", static replicas => replicas.Sum(r => r.WaitingBytes));
        Gauge("raft.data_bytes", "By", static replicas => replicas.Sum(r => r.KeyValueBytes));
        Gauge("raft.memory_bytes", "By", static replicas => replicas.Sum(r => r.MemoryBytes));
        _meter.CreateObservableGauge("raft.log_bytes", () => Of(_node.Storage.Status.LogBytes), "By");
        _meter.CreateObservableGauge("raft.snapshot_files", () => Of(_node.Storage.Status.SnapshotFiles), "{file}");
        _meter.CreateObservableGauge("raft.flush_stall_seconds",
            () => new Measurement<double>(_node.Storage.StalledFor.TotalSeconds, _tag), "s");
    }

    public void Dispose() => _meter.Dispose();

    private void Count(string name, string unit, StoreCount count) =>
        _meter.CreateObservableCounter(name, () => Of(_node.Counters[count]), unit);

    private void Gauge(string name, string unit, Func<IReadOnlyList<Replica>, long> read) =>
        _meter.CreateObservableGauge(name, () => Of(read(_node.Replicas)), unit);

    private Measurement<long> Of(long value) => new(value, _tag);
}
