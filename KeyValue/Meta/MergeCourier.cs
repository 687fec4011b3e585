using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What became of the request for a frozen group's content; without content or problem: not now.</summary>
/// <param name="Source">The group as it was frozen.</param>
/// <param name="Problem">Why the merge cannot be; null: it may.</param>
internal readonly record struct MergeCut(GroupDescriptor? Source, ReadOnlyMemory<byte> Content, string? Problem);

/// <summary>What a <see cref="MergeCourier"/> needs of the node it works for.</summary>
internal interface IMergeNode
{
    TimeSpan Now { get; }

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
    private readonly SortedDictionary<ulong, (string Reason, TimeSpan At)> _troubles = [];

    // Invariant: at most one, as large as it may be.
    private Shipment? _shipment;
    private ulong _cutting;

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
            lock (_lock) return _shipment?.Content.Length ?? 0;
        }
    }

    public void Tick(TimeSpan now)
    {
        lock (_lock)
        {
            if (_shipment is { } old && now - old.OrderedAt >= Patience) _shipment = null;
            foreach ((ulong merge, (_, TimeSpan at)) in _troubles.ToArray())
                if (now - at >= TroubleAge) _troubles.Remove(merge);
        }
    }

    /// <summary>Begins a merge, or goes on where it is. Says in words what became of it.</summary>
    public async Task<string> ObeyAsync(MergeOrder order)
    {
        lock (_lock)
        {
            if (_cutting != 0) return "another content is being cut";
            if (_shipment is { } known && known.Merge == order.Merge) return GoOn(known, order);
            if (_shipment is { } other) return $"merge {other.Merge} is under way here";
            _cutting = order.Merge;
        }
        MergeCut cut = default;
        try
        {
            cut = await node.CutAsync(order);
        }
        finally
        {
            lock (_lock) _cutting = 0;
        }
        lock (_lock)
        {
            if (cut.Problem is { } problem)
            {
                _troubles[order.Merge] = (problem, node.Now);
                return problem;
            }
            if (cut.Source is null) return "it is not frozen yet";
            _shipment = new Shipment(order, cut.Source, cut.Content) { OrderedAt = node.Now };
            Send(_shipment);
            return $"{cut.Content.Length} bytes go to {order.TargetNode}";
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
                case MergeReplyStatus.Wanted when reply.Next < shipment.Count:
                    shipment.WasHeard = true;
                    shipment.Next = reply.Next;
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
        shipment.Target = order.TargetNode;
        shipment.OrderedAt = node.Now;
        bool wasHeard = shipment.WasHeard;
        shipment.WasHeard = false;
        if (!wasHeard) Send(shipment);
        return $"chunk {shipment.Next} of {shipment.Count} {(wasHeard ? "is on its way" : "is sent again")}";
    }

    private void Send(Shipment shipment) => node.Send(shipment.Target, shipment.Chunk());

    private sealed class Shipment(MergeOrder order, GroupDescriptor source, ReadOnlyMemory<byte> content)
    {
        private readonly uint _checksum = Crc32C.Compute(content.Span);

        public ulong Merge => order.Merge;

        public ReadOnlyMemory<byte> Content => content;

        public NodeName Target { get; set; } = order.TargetNode;

        public TimeSpan OrderedAt { get; set; }

        public uint Next { get; set; }

        /// <summary>Something came back since it was ordered last.</summary>
        public bool WasHeard { get; set; }

        /// <summary>An empty content is one empty chunk.</summary>
        public uint Count { get; } =
            (uint)Math.Max(1, (content.Length + MergeChunk.MaxBytes - 1) / MergeChunk.MaxBytes);

        public MergeChunk Chunk()
        {
            int start = (int)Next * MergeChunk.MaxBytes;
            int length = Math.Min(MergeChunk.MaxBytes, content.Length - start);
            return new MergeChunk(order.Merge, source, order.Target, Next, Count, (uint)content.Length, _checksum,
                content.Slice(start, length));
        }
    }
}
