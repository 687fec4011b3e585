using Orleans.Concurrency;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Services;

namespace Orleans.Raft.Grains;

/// <summary>What a silo's nodes take from other silos. One per silo, addressed by the silo's address: no directory is
/// asked.</summary>
[Alias("Orleans.Raft.ISiloTransport")]
internal interface ISiloTransport : IGrainService
{
    /// <summary>Takes a frame with messages of any number of groups for a node that is here; for any other it is lost. The
    /// reply says that it arrived, no more.</summary>
    [Alias("Deliver"), ResponseTimeout("00:00:01")]
    Task Deliver([Immutable] byte[] frame, string node);

    /// <summary>The same without a reply: frames that come often are worth none each.</summary>
    [Alias("Pass"), OneWay]
    Task Pass([Immutable] byte[] frame, string node);

    /// <summary>What a node says of itself and its replicas.</summary>
    [Alias("GetView"), ResponseTimeout("00:00:01")]
    Task<SiloViewMessage> GetView(string node);

    /// <summary>What this silo's nodes know of the cluster: as soon as the groups' ranges are others than in
    /// <paramref name="seen"/>, and in any case after some seconds. Null if no node here is part of it.</summary>
    [Alias("WaitForKnowledge"), ResponseTimeout("00:00:05")]
    Task<StoreKnowledgeMessage?> WaitForKnowledge(Guid seen);
}

/// <summary>What a silo that hosts no node needs to know to serve clients, in the store's own formats.</summary>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.StoreKnowledge")]
internal sealed record StoreKnowledgeMessage([property: Id(0)] byte[] Formation, [property: Id(1)] byte[]? MetaGroup,
    [property: Id(2)] RoutesMessage Routes);
