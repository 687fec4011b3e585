using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Brings a node into its cluster. The configured node whose name sorts first decides, once it has heard every other
/// with the same plan and an unused disk, and records durably before it tells; the others record what it decided. A
/// formed node tells a late one the record, and refuses a known name that comes with another disk.
/// </summary>
/// <remarks>
/// A node with another plan counts as missing. Which of two plans is wrong the nodes tell by their number: one that
/// hears another plan from most of the nodes which that plan names (or from half, the deciding one among them) gives
/// up; the others wait for it. A node that joins has no plan of its own: it takes what it is told, once the others count
/// it among their members. Where plans are only for a cluster that has not formed yet (<paramref
/// name="joinsIfFormed"/>), one that comes later joins, whatever its plan.
/// </remarks>
internal sealed class ClusterFormation(
    NodeName self, FormationPlan plan, bool joins, bool joinsIfFormed, INodeStorage storage, INetwork network,
    Func<Guid> newGuid, ILogger logger)
{
    private const int MaxJoining = 1000;

    private static readonly TimeSpan HelloInterval = TimeSpan.FromMilliseconds(200);

    private readonly byte[] _planBytes = plan.Encode();
    private readonly Lock _lock = new();
    private readonly Dictionary<NodeName, StoreId> _heard = [];
    private readonly SortedDictionary<NodeName, (FormationPlan Plan, string Difference)> _different = [];
    private readonly TaskCompletionSource<FormationRecord> _formed =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SortedDictionary<NodeName, StoreId> _joining = [];
    private FormationRecord? _record;
    private bool _recording;
    private TimeSpan _nextHello;

    /// <summary>Completes with the record once it is durable here; fails with <see cref="FormationException"/> if this
    /// node is refused.</summary>
    public Task<FormationRecord> Formed => _formed.Task;

    /// <summary>The nodes not heard of yet, or configured differently.</summary>
    public IReadOnlyList<WaitedForNode> WaitingFor
    {
        get
        {
            lock (_lock)
            {
                return [.. plan.Nodes.Where(n => n != self && !_heard.ContainsKey(n)).Select(n =>
                    new WaitedForNode(n, _different.TryGetValue(n, out (FormationPlan, string Difference) found)
                        ? found.Difference
                        : null))];
            }
        }
    }

    /// <summary>Nodes that would join, and the store that each said last.</summary>
    public IReadOnlyList<FormationNode> Joining
    {
        get
        {
            lock (_lock) return [.. _joining.Select(joining => new FormationNode(joining.Key, joining.Value))];
        }
    }

    /// <summary>The cluster's members have changed.</summary>
    public void Update(FormationRecord record)
    {
        lock (_lock)
        {
            _record = record;
            foreach (FormationNode member in record.Members) _joining.Remove(member.Name);
        }
    }

    /// <summary>Takes up the record found on disk, if there is one.</summary>
    /// <exception cref="FormationException">The record is another node's or differs from what is
    /// configured.</exception>
    public void Start()
    {
        if (storage.Formation is { } bytes)
        {
            FormationRecord record = FormationRecord.Decode(bytes);
            RequireMine(record, "this data directory was made", isHeard: false);
            lock (_lock) _record = record;
            _formed.TrySetResult(record);
        }
        else
        {
            DecideIfComplete();
        }
    }

    /// <summary>Says hello while unformed and not refused.</summary>
    public void Tick(TimeSpan now)
    {
        lock (_lock)
        {
            if (now < _nextHello || _formed.Task.IsCompleted) return;
            _nextHello = now + HelloInterval;
        }
        SayHello(plan.Nodes.Where(peer => peer != self));
    }

    /// <summary>Takes a formation frame; a damaged one is logged and dropped.</summary>
    public void Receive(ReadOnlySpan<byte> frame)
    {
        // A node that was refused is no more.
        if (_formed.Task.IsFaulted) return;
        try
        {
            switch (FormationMessage.Decode(frame))
            {
                case FormationHello hello: HandleHello(hello); break;
                case FormationDecided decided: HandleDecided(decided); break;
                case FormationRefused refused: HandleRefused(refused); break;
            }
        }
        catch (FormationException e)
        {
            FormationLog.FrameRefused(logger, self, e.Message);
        }
    }

    private void HandleHello(FormationHello hello)
    {
        FormationRecord? record;
        lock (_lock) record = _record;
        if (record is not null)
        {
            AnswerLateNode(record, hello);
            return;
        }
        FormationPlan theirs = FormationPlan.Decode(hello.Plan);
        if (!theirs.Nodes.Contains(hello.From))
            throw new FormationException($"{hello.From} says hello with a plan for {string.Join(", ", theirs.Nodes)} "
                + "only.");
        // One that counts on this node without being counted on does not hear of it otherwise.
        if (!plan.Nodes.Contains(hello.From) && theirs.Nodes.Contains(self)) SayHello([hello.From]);
        if (theirs.DifferenceTo(plan) is { } difference)
        {
            NoteDifferent(hello.From, theirs, difference);
            return;
        }
        lock (_lock)
        {
            _different.Remove(hello.From);
            _heard[hello.From] = hello.Store;
        }
        DecideIfComplete();
    }

    private void NoteDifferent(NodeName peer, FormationPlan theirs, string difference)
    {
        NodeName[] holders;
        bool mayStillAgree;
        lock (_lock)
        {
            if (!_different.TryGetValue(peer, out (FormationPlan, string Difference) before)
                || before.Difference != difference)
                FormationLog.Different(logger, self, peer, difference);
            _heard.Remove(peer);
            _different[peer] = (theirs, difference);
            holders = [.. _different.Where(d => theirs.Nodes.Contains(d.Key)
                && d.Value.Plan.DifferenceTo(theirs) is null).Select(d => d.Key)];
            mayStillAgree = 2 * plan.Nodes.Count(node => !_different.ContainsKey(node)) > plan.Nodes.Count;
        }
        // Half of them decide only where one's own plan cannot have more any more.
        bool decides = 2 * holders.Length > theirs.Nodes.Count
            || (2 * holders.Length == theirs.Nodes.Count && holders.Contains(theirs.Nodes[0]) && !mayStillAgree);
        // Strangers alone decide nothing.
        if (!decides || !holders.Any(plan.Nodes.Contains)) return;
        // The others should learn why this node is missing, also if it had no time to greet them before.
        SayHello(plan.Nodes.Where(node => node != self));
        _formed.TrySetException(new FormationException($"{self} is configured differently from "
            + $"{string.Join(", ", holders)}: "
            + $"{plan.DifferenceTo(theirs)}. Give all nodes the same configuration and start this one again."));
    }

    private void AnswerLateNode(FormationRecord record, FormationHello hello)
    {
        if (!record.TryGetStore(hello.From, out StoreId expected) && IsJoining(record, hello)) NoteJoining(hello);
        else if (!record.TryGetStore(hello.From, out expected))
            Refuse(hello.From, $"{hello.From} is not one of cluster {record.Cluster}, which has "
                + $"{string.Join(", ", record.Members.Select(n => n.Name))}.");
        else if (expected != hello.Store)
            Refuse(hello.From, $"{hello.From} has an empty or foreign data directory (store {hello.Store}); cluster "
                + $"{record.Cluster} knows it with store {expected}. "
                + "It must not vote as if it had not lost its disk. Put its data directory back; if that is lost, say "
                + $"'node replace {hello.From}' to the cluster and start it again when that is done.");
        else
            Send(hello.From, new FormationDecided(self, storage.StoreId, record.Encode()).Encode());
    }

    /// <summary>Of all who are unknown only one that joins does not count itself among those who form a cluster, but for
    /// one of those itself, if it was removed and is back with a new disk, and where it may form or join.</summary>
    private bool IsJoining(FormationRecord record, FormationHello hello) =>
        joinsIfFormed || record.Nodes.Any(node => node.Name == hello.From)
        || !FormationPlan.Decode(hello.Plan).Nodes.Contains(hello.From);

    private void NoteJoining(FormationHello hello)
    {
        lock (_lock)
        {
            // A stranger that takes ever new names must not fill the memory.
            if (_joining.Count < MaxJoining || _joining.ContainsKey(hello.From)) _joining[hello.From] = hello.Store;
        }
    }

    private void DecideIfComplete()
    {
        FormationRecord record;
        lock (_lock)
        {
            if (_record is not null || _recording || plan.Nodes[0] != self) return;
            var nodes = new List<FormationNode>();
            foreach (NodeName node in plan.Nodes)
            {
                if (node == self) nodes.Add(new FormationNode(self, storage.StoreId));
                else if (_heard.TryGetValue(node, out StoreId store)) nodes.Add(new FormationNode(node, store));
                else return;
            }
            _recording = true;
            record = new FormationRecord(new ClusterId(newGuid()), nodes, plan.Groups, plan.Limits);
        }
        _ = RecordAsync(record);
    }

    private void HandleDecided(FormationDecided decided)
    {
        // What it says of its own keeper is none of this node's.
        FormationRecord record = FormationRecord.Decode(decided.Record) with { FirstNewGroup = null };
        lock (_lock)
        {
            if (_record is not null || _recording) return;
            try
            {
                RequireMine(record, $"{decided.From} says the cluster was formed", isHeard: true);
            }
            catch (FormationException e)
            {
                _formed.TrySetException(e);
                return;
            }
            _recording = true;
        }
        _ = RecordAsync(record);
    }

    private void HandleRefused(FormationRefused refused)
    {
        // A stranger's word counts for nothing.
        if (!plan.Nodes.Contains(refused.From)) return;
        lock (_lock)
        {
            if (_record is not null)
            {
                FormationLog.RefusedThoughFormed(logger, self, refused.From, refused.Reason);
                return;
            }
        }
        _formed.TrySetException(new FormationException($"{self} cannot join: {refused.From} answered: "
            + $"{refused.Reason}"));
    }

    private async Task RecordAsync(FormationRecord record)
    {
        try
        {
            await storage.WriteFormationAsync(record.Encode());
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            _formed.TrySetException(e);
            return;
        }
        lock (_lock) _record = record;
        FormationLog.Formed(logger, self, record.Cluster, record.Nodes.Count, record.Groups.Count);
        // Who has decided tells the others. One that joins is none of those who form, whatever its plan.
        if (record.Nodes[0].Name == self)
        {
            byte[] decided = new FormationDecided(self, storage.StoreId, record.Encode()).Encode();
            foreach (FormationNode peer in record.Nodes)
                if (peer.Name != self) Send(peer.Name, decided);
        }
        _formed.TrySetResult(record);
    }

    private void RequireMine(FormationRecord record, string origin, bool isHeard)
    {
        if (!record.TryGetStore(self, out StoreId store))
            throw new FormationException($"{origin} for the nodes "
                + $"{string.Join(", ", record.Members.Select(n => n.Name))}, and {self} is not one of them.");
        if (store != storage.StoreId)
            throw new FormationException($"{origin} with store {store} for {self}, but its data directory is store "
                + $"{storage.StoreId}: it belongs to another node or cluster. Give each node its own directory back.");
        if (!joins && !(isHeard && joinsIfFormed) && record.Plan().DifferenceTo(plan) is { } difference)
            throw new FormationException($"{origin} with a different configuration: {difference}. What a cluster was "
                + "formed with cannot change; start it with the same nodes, groups and limits.");
    }

    private void SayHello(IEnumerable<NodeName> peers)
    {
        byte[] hello = new FormationHello(self, storage.StoreId, _planBytes).Encode();
        foreach (NodeName peer in peers) Send(peer, hello);
    }

    private void Refuse(NodeName peer, string reason)
    {
        FormationLog.Refusing(logger, self, peer, reason);
        Send(peer, new FormationRefused(self, storage.StoreId, reason).Encode());
    }

    private void Send(NodeName peer, byte[] frame) => _ = network.SendAsync(peer, frame).AsTask();
}

/// <summary>A node without which the cluster does not form yet.</summary>
/// <param name="Difference">How its configuration differs from this node's; null: it was not heard of.</param>
public readonly record struct WaitedForNode(NodeName Node, string? Difference)
{
    public override string ToString() => Difference is null
        ? Node.ToString()
        : $"{Node} (configured differently: {Difference} here)";
}

internal static partial class FormationLog
{
    [LoggerMessage(1, LogLevel.Information, "{Node}: formed cluster {Cluster} of {Nodes} nodes and {Groups} groups")]
    public static partial void Formed(ILogger logger, NodeName node, ClusterId cluster, int nodes, int groups);

    [LoggerMessage(2, LogLevel.Warning, "{Node}: refusing {Peer}: {Reason}")]
    public static partial void Refusing(ILogger logger, NodeName node, NodeName peer, string reason);

    [LoggerMessage(3, LogLevel.Warning, "{Node}: a formation frame was dropped: {Reason}")]
    public static partial void FrameRefused(ILogger logger, NodeName node, string reason);

    [LoggerMessage(4, LogLevel.Error, "{Node}: {Peer} does not accept this node: {Reason}")]
    public static partial void RefusedThoughFormed(ILogger logger, NodeName node, NodeName peer, string reason);

    [LoggerMessage(5, LogLevel.Warning, "{Node}: {Peer} is configured differently ({Difference} here): it counts as "
        + "missing. Give all nodes the same configuration")]
    public static partial void Different(ILogger logger, NodeName node, NodeName peer, string difference);
}
