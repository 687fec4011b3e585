namespace Orleans.Raft.Grains;

/// <summary>From silo names, which stay, to silo addresses, which change with every start. Any thread may call
/// it.</summary>
internal sealed class SiloAddresses(IClusterMembershipService membership)
{
    private volatile Known? _known;

    /// <summary>The address of the latest life of a silo that is up or has not been found dead; null if there is
    /// none.</summary>
    public SiloAddress? Find(string silo) => Current().ByName.GetValueOrDefault(silo);

    /// <summary>The names of the silos that are up, each with the address it has now.</summary>
    public IReadOnlyDictionary<string, SiloAddress> Active => Current().ByName;

    /// <summary>Of the silos that are up the one whose name sorts first; null if there is none. While silos' views of the
    /// cluster differ there may be two.</summary>
    public (string Name, SiloAddress Address)? First => Current().First;

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
        string? first = byName.Keys.Min(StringComparer.Ordinal);
        return _known = new Known(snapshot.Version, byName, first is null ? null : (first, byName[first]));
    }

    private sealed record Known(MembershipVersion Version, Dictionary<string, SiloAddress> ByName,
        (string Name, SiloAddress Address)? First);
}
