using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Runtime.Services;

namespace Orleans.Raft.Grains;

/// <summary>The receiving end: hands frames to the node, which posts them into its replicas' inboxes.</summary>
[Reentrant]
internal sealed class SiloTransport(GrainId id, global::Orleans.Runtime.Silo silo, ILoggerFactory loggerFactory,
    SiloNode node)
    : GrainService(id, silo, loggerFactory), ISiloTransport
{
    public Task Deliver(byte[] frame)
    {
        node.Store?.Receive(frame);
        return Task.CompletedTask;
    }

    public Task<SiloViewMessage> GetView() => Task.FromResult(node.View());
}

/// <summary>Makes references to other silos' <see cref="SiloTransport"/>.</summary>
internal sealed class SiloTransportClient(IServiceProvider services) : GrainServiceClient<ISiloTransport>(services)
{
    public ISiloTransport Of(SiloAddress silo) => GetGrainService(silo);
}
