using System.Security.Cryptography;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>The silo's ways into the store: one joiner for all callers, and one client with sessions of its
/// own.</summary>
internal sealed class SiloStore : IAsyncDisposable
{
    public SiloStore(SiloNodes nodes, SiloRoutes routes, IGrainFactory grains)
    {
        Joiner = new RequestJoiner(new SiloConnection(nodes, routes, grains), nodes.Options.Joiner, TaskScheduler.Default);
        Client = new KvClient(Joiner, TimeProvider.System, TaskScheduler.Default, nodes.Options.Client,
            BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))));
    }

    public RequestJoiner Joiner { get; }

    public KvClient Client { get; }

    public ValueTask DisposeAsync() => Client.DisposeAsync();
}
