using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Orleans.Raft.Grains;

/// <summary>
/// Places a grain on the silo that its key names. Who calls it chooses the silo, without a grain directory, hence without
/// waiting for one when a silo dies. What Orleans remembers of a grain's place, for minutes, is wrong only
/// where that silo has been started anew since, at another address: such a call fails, and Orleans forgets the place.
/// </summary>
[Serializable, GenerateSerializer, Immutable]
public sealed class SiloKeyPlacement : PlacementStrategy
{
    public override bool IsUsingGrainDirectory => false;
}

[AttributeUsage(AttributeTargets.Class)]
public sealed class SiloKeyPlacementAttribute() : PlacementAttribute(new SiloKeyPlacement());

internal sealed class SiloKeyPlacementDirector(SiloAddresses silos) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target,
        IPlacementContext context)
    {
        string silo = target.GrainIdentity.Key.ToString()!;
        return silos.Find(silo) is { } address ? Task.FromResult(address)
            : throw new SiloUnavailableException($"Silo {silo} is not up. The silos that are up: {silos.Describe()}.");
    }
}
