using Orleans.GrainDirectory;

namespace Orleans.Raft.Grains;

/// <summary>
/// A directory that holds nothing: grains that are found by their key alone use it, so that no lookup ever waits for a
/// silo that has just died with its part of the default directory.
/// </summary>
internal sealed class NoDirectory : IGrainDirectory
{
    public const string Name = "orleans-raft-none";

    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult<GrainAddress?>(null);

    public Task<GrainAddress?> Register(GrainAddress address) => Task.FromResult<GrainAddress?>(address);

    public Task Unregister(GrainAddress address) => Task.CompletedTask;

    public Task UnregisterSilos(List<SiloAddress> siloAddresses) => Task.CompletedTask;
}
