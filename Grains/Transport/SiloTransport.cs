using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Runtime.Services;

namespace Orleans.Raft.Grains;

/// <summary>The receiving end: hands frames to their nodes, which post them into their replicas' inboxes.</summary>
[Reentrant]
internal sealed class SiloTransport(GrainId id, global::Orleans.Runtime.Silo silo, ILoggerFactory loggerFactory,
    SiloNodes nodes, SiloRoutes routes)
    : GrainService(id, silo, loggerFactory), ISiloTransport
{
    public Task Deliver(byte[] frame, string node)
    {
        nodes.Find(new NodeName(node))?.Store?.Receive(frame);
        return Task.CompletedTask;
    }

    public Task Pass(byte[] frame, string node) => Deliver(frame, node);

    public Task<SiloViewMessage> GetView(string node) => Task.FromResult(
        nodes.Find(new NodeName(node))?.View() ?? new SiloViewMessage(node, null, []));

    public Task<StoreKnowledgeMessage?> WaitForKnowledge(Guid seen) => routes.TellAsync(seen);
}

/// <summary>Makes references to other silos' <see cref="SiloTransport"/>.</summary>
internal sealed class SiloTransportClient(IServiceProvider services) : GrainServiceClient<ISiloTransport>(services)
{
    public ISiloTransport Of(SiloAddress silo) => GetGrainService(silo);
}
