using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Orleans.Raft.Core;

namespace Orleans.Raft.Grains;

/// <summary>
/// On which silo each node of the store is, as this silo knows. A node is the silo of its name; where nodes are slots, it
/// is where the registry said last. Any thread may call it.
/// </summary>
internal sealed class NodePlaces(SiloAddresses silos, ILocalSiloDetails self, IOptions<OrleansRaftOptions> options)
{
    private readonly bool _areSlots = options.Value.Slots is not null;
    private readonly ConcurrentDictionary<NodeName, bool> _here = new();
    private volatile SlotTable _table = SlotTable.Empty;

    /// <summary>Who holds which slot, as told last.</summary>
    public SlotTable Table => _table;

    public void NoteHosted(NodeName slot) => _here[slot] = true;

    public void NoteGone(NodeName slot) => _here.TryRemove(slot, out _);

    /// <summary>Takes over a newer table; false if it is not newer.</summary>
    public bool Learn(SlotTable table)
    {
        if (table.Version <= _table.Version) return false;
        _table = table;
        return true;
    }

    /// <summary>The address of the silo that hosts a node; null if it is on none that is up.</summary>
    public SiloAddress? Find(NodeName node)
    {
        if (!_areSlots) return silos.Find(node.Value);
        if (_here.ContainsKey(node)) return self.SiloAddress;
        return HolderOf(node) is { } holder && silos.Find(holder.Silo) is { } address
            && address.ToParsableString() == holder.Address ? address : null;
    }

    /// <summary>The name of the silo that hosts a node; null if it is not known.</summary>
    public string? SiloOf(NodeName node) => !_areSlots ? node.Value
        : _here.ContainsKey(node) ? self.Name
        : HolderOf(node)?.Silo;

    /// <summary>The name of the silo that hosts a slot; null if none that is up does, or nodes are no slots.</summary>
    public string? HostOfSlot(NodeName node) => _areSlots && Find(node) is not null ? SiloOf(node) : null;

    /// <summary>The other silos that hold slots, in no order that matters.</summary>
    public IReadOnlyList<SiloAddress> Others() => [.. _table.Slots.Select(slot => Find(new NodeName(slot.Slot)))
        .OfType<SiloAddress>().Distinct().Where(address => !address.Equals(self.SiloAddress))];

    public string Describe(NodeName node) => (_areSlots, HolderOf(node)) switch
    {
        (false, _) => $"Silo {node} is not up. The silos that are up: {silos.Describe()}.",
        (true, { } holder) => $"{node} was on silo {holder.Silo} last. The silos that are up: {silos.Describe()}.",
        (true, null) => $"{node} is on no silo yet. The silos that are up: {silos.Describe()}.",
    };

    private SlotHolder? HolderOf(NodeName node) => _table.Find(node.Value)?.Holder;
}
