using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Orleans.Raft.Grains;

/// <summary>
/// Places a grain on the silo that hosts the node its key names. Nothing is registered in a grain directory, so the death
/// of another silo, which takes a part of the directory with it, never deactivates a grain placed so.
/// </summary>
[Serializable, GenerateSerializer, Immutable]
public sealed class SiloNamePlacement : PlacementStrategy
{
    public override bool IsUsingGrainDirectory => false;
}

/// <summary>Marks a grain class whose key is a <see cref="PeerKey"/>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class SiloNamePlacementAttribute() : PlacementAttribute(new SiloNamePlacement());

/// <summary>Finds the silo of a node among those that are up.</summary>
internal sealed class SiloNamePlacementDirector(NodePlaces places) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target,
        IPlacementContext context)
    {
        string key = target.GrainIdentity.Key.ToString()!;
        if (!PeerKey.TryParse(key, out PeerKey? peer))
            throw new OrleansException($"'{key}' is no key of a replica; it must be a group and a node's name, such as "
                + "g1/silo-1.");
        return places.Find(peer.Value.Node) is { } address
            ? Task.FromResult(address)
            : throw new SiloUnavailableException($"{key} can live on no silo now. {places.Describe(peer.Value.Node)}");
    }
}
