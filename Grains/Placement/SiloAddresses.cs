using Orleans.Raft.Core;

namespace Orleans.Raft.Grains;

/// <summary>From silo names, which stay, to silo addresses, which change with every start. Any thread may call
/// it.</summary>
internal sealed class SiloAddresses(IClusterMembershipService membership)
{
    private volatile Known? _known;

    /// <summary>The address of the latest life of a silo that is up or has not been found dead; null if there is
    /// none.</summary>
    public SiloAddress? Find(NodeName silo) => Current().ByName.GetValueOrDefault(silo.Value);

    public string Describe() => string.Join(", ", Current().ByName.Keys.Order(StringComparer.Ordinal));

    private Known Current()
    {
        ClusterMembershipSnapshot snapshot = membership.CurrentSnapshot;
        if (_known is { } known && known.Version == snapshot.Version) return known;
        var byName = new Dictionary<string, SiloAddress>(StringComparer.Ordinal);
        foreach (ClusterMember member in snapshot.Members.Values)
        {
            if (member.Status != SiloStatus.Active) continue;
            if (!byName.TryGetValue(member.Name, out SiloAddress? other)
                || other.Generation < member.SiloAddress.Generation)
                byName[member.Name] = member.SiloAddress;
        }
        return _known = new Known(snapshot.Version, byName);
    }

    private sealed record Known(MembershipVersion Version, Dictionary<string, SiloAddress> ByName);
}
