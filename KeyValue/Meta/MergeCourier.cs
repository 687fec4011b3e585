using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What became of the request for a frozen group's content; without content or problem: not now.</summary>
/// <param name="Problem">Why the merge cannot be; null: it may.</param>
internal readonly record struct MergeCut(MergeContent? Content, string? Problem);

/// <summary>What a <see cref="MergeCourier"/> needs of the node it works for.</summary>
internal interface IMergeNode
{
    TimeSpan Now { get; }

    /// <summary>Of a part.</summary>
    int MostChunkBytes { get; }

    /// <summary>Freezes the group, if it is led here, and cuts its content, which is the same whoever does it.</summary>
    Task<MergeCut> CutAsync(MergeOrder order);

    /// <summary>Sends at most once.</summary>
    void Send(NodeName to, ControlMessage message);
}

/// <summary>
/// Carries what frozen groups have to those that take them: one group at a time, one chunk at a time. What gets lost is
/// sent again when the controller orders the merge again. Any thread may call it.
/// </summary>
internal sealed class MergeCourier(IMergeNode node)
{
    // Whoever was not ordered again for so long is no longer wanted.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan TroubleAge = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly SortedDictionary<MergeId, (string Reason, TimeSpan At)> _troubles = [];

    // Invariant: at most one, as large as it may be.
    private Shipment? _shipment;
    private bool _isCutting;

    /// <summary>Why merges that were ordered here cannot go on.</summary>
    public IReadOnlyList<MergeTrouble> Troubles
    {
        get
        {
            lock (_lock) return [.. _troubles.Select(trouble => new MergeTrouble(trouble.Key, trouble.Value.Reason))];
        }
    }

    /// <summary>Of the content it holds.</summary>
    internal int HeldBytes
    {
        get
        {
            lock (_lock) return _shipment?.Content.Bytes.Length ?? 0;
        }
    }

    public void Tick(TimeSpan now)
    {
        lock (_lock)
        {
            if (_shipment is { } old && now - old.OrderedAt >= Patience) _shipment = null;
            foreach ((MergeId merge, (_, TimeSpan at)) in _troubles.ToArray())
                if (now - at >= TroubleAge) _troubles.Remove(merge);
        }
    }

    /// <summary>Begins a merge, or goes on where it is. Says in words what became of it.</summary>
    public async Task<string> ObeyAsync(MergeOrder order)
    {
        lock (_lock)
        {
            if (_isCutting) return "another content is being cut";
            if (_shipment is { } known && known.Merge == order.Merge) return GoOn(known, order);
            // Merges run one after the other: an older one is over.
            if (_shipment is { } other && other.Merge > order.Merge) return $"{other.Merge} is under way here";
            _isCutting = true;
        }
        MergeCut cut = default;
        try
        {
            cut = await node.CutAsync(order);
        }
        finally
        {
            lock (_lock) _isCutting = false;
        }
        lock (_lock)
        {
            if (cut.Problem is { } problem)
            {
                _troubles[order.Merge] = (problem, node.Now);
                return problem;
            }
            if (cut.Content is not { } content) return "it is not frozen yet";
            _shipment = new Shipment(order, content) { OrderedAt = node.Now };
            Send(_shipment);
            return $"{content.Bytes.Length} bytes go to {order.TargetNode}";
        }
    }

    /// <summary>Takes the answer to a chunk.</summary>
    public void Receive(MergeReply reply)
    {
        lock (_lock)
        {
            if (_shipment is not { } shipment || shipment.Merge != reply.Merge) return;
            switch (reply.Status)
            {
                case MergeReplyStatus.Wanted when reply.NextOffsetBytes < shipment.Content.Bytes.Length:
                    shipment.WasHeard = true;
                    shipment.NextOffsetBytes = reply.NextOffsetBytes;
                    Send(shipment);
                    break;
                case MergeReplyStatus.Refused:
                    _troubles[reply.Merge] = (reply.Text, node.Now);
                    _shipment = null;
                    break;
                case MergeReplyStatus.Over: _shipment = null; break;
            }
        }
    }

    private string GoOn(Shipment shipment, MergeOrder order)
    {
        shipment.TargetNode = order.TargetNode;
        shipment.OrderedAt = node.Now;
        bool wasHeard = shipment.WasHeard;
        shipment.WasHeard = false;
        if (!wasHeard) Send(shipment);
        return $"what begins at {shipment.NextOffsetBytes} of {shipment.Content.Bytes.Length} bytes is "
            + (wasHeard ? "on its way" : "sent again");
    }

    private void Send(Shipment shipment)
    {
        if (shipment.Content.ChunkAt(shipment.NextOffsetBytes, node.MostChunkBytes) is { } chunk)
            node.Send(shipment.TargetNode, new MergePart(shipment.Target, chunk));
    }

    private sealed class Shipment(MergeOrder order, MergeContent content)
    {
        public MergeId Merge => order.Merge;

        public GroupId Target => order.Target;

        public MergeContent Content => content;

        public NodeName TargetNode { get; set; } = order.TargetNode;

        public TimeSpan OrderedAt { get; set; }

        public long NextOffsetBytes { get; set; }

        /// <summary>Something came back since it was ordered last.</summary>
        public bool WasHeard { get; set; }
    }
}
