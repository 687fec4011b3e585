using Orleans.Raft.Grains.Interfaces;
using Orleans.Services;

namespace Orleans.Raft.Grains;

/// <summary>What a silo's store takes from other silos. One per silo, addressed by the silo's address: no directory is
/// asked.</summary>
[Alias("Orleans.Raft.ISiloTransport")]
internal interface ISiloTransport : IGrainService
{
    /// <summary>Takes a frame with messages of any number of groups. The reply says that it arrived, no more.</summary>
    [Alias("Deliver"), ResponseTimeout("00:00:01")]
    Task Deliver([Immutable] byte[] frame);

    /// <summary>What this silo says of itself and its replicas.</summary>
    [Alias("GetView"), ResponseTimeout("00:00:01")]
    Task<SiloViewMessage> GetView();
}
