using Orleans.Placement;
using Orleans.Runtime.Placement;

namespace Orleans.Raft.Grains;

/// <summary>
/// Places a grain on the silo whose name sorts first among those that are up. All silos come to the same choice without a
/// grain directory, hence without waiting for one when a silo dies; while their views of the cluster differ there may be
/// two activations, which the grain's storage must sort out.
/// </summary>
[Serializable, GenerateSerializer, Immutable]
public sealed class FirstSiloPlacement : PlacementStrategy
{
    public override bool IsUsingGrainDirectory => false;
}

[AttributeUsage(AttributeTargets.Class)]
public sealed class FirstSiloPlacementAttribute() : PlacementAttribute(new FirstSiloPlacement());

internal sealed class FirstSiloPlacementDirector(SiloAddresses silos) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target,
        IPlacementContext context) => silos.First is { } first
            ? Task.FromResult(first)
            : throw new SiloUnavailableException("No silo is up.");
}
