using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>
/// The sending end. A send ends when the frame arrived or counts as lost, and each link sends one frame at a time: so a
/// silo that hangs costs one frame per timeout, and one that is known to be gone costs nothing.
/// </summary>
internal sealed class SiloNetwork(
    NodePlaces places, SiloTransportClient transports, IOptions<OrleansRaftOptions> options,
    ILogger<SiloNetwork> logger) : INetwork
{
    private volatile Dictionary<SiloAddress, ISiloTransport> _references = [];

    public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame) =>
        places.Find(to) is { } address ? DeliverAsync(to, address, frame.ToArray()) : ValueTask.CompletedTask;

    /// <summary>What a node says of itself; null if it is not up or does not answer in time.</summary>
    public async Task<SiloViewMessage?> GetViewAsync(NodeName node)
    {
        if (places.Find(node) is not { } address) return null;
        try
        {
            return await ReferenceTo(address).GetView(node.Value).WaitAsync(options.Value.FrameTimeout);
        }
        // Whatever went wrong, the silo did not answer.
#pragma warning disable CA1031
        catch (Exception failure)
#pragma warning restore CA1031
        {
            NetworkLog.NoView(logger, node, failure.Message);
            return null;
        }
    }

    /// <summary>See <see cref="ISiloTransport.WaitForKnowledge"/>.</summary>
    public Task<StoreKnowledgeMessage?> WaitForKnowledgeAsync(SiloAddress silo, Guid seen) =>
        ReferenceTo(silo).WaitForKnowledge(seen);

    private async ValueTask DeliverAsync(NodeName to, SiloAddress address, byte[] frame)
    {
        try
        {
            await ReferenceTo(address).Deliver(frame, to.Value).WaitAsync(options.Value.FrameTimeout);
        }
        // A lost frame is no error: Raft sends again what matters.
#pragma warning disable CA1031
        catch (Exception failure)
#pragma warning restore CA1031
        {
            NetworkLog.Lost(logger, to, frame.Length, failure.Message);
        }
    }

    private ISiloTransport ReferenceTo(SiloAddress address)
    {
        if (_references.TryGetValue(address, out ISiloTransport? known)) return known;
        ISiloTransport reference = transports.Of(address);
        // A silo's earlier lives need no reference any more.
        _references = new Dictionary<SiloAddress,
            ISiloTransport>(_references.Where(r => !r.Key.Endpoint.Equals(address.Endpoint))) { [address] = reference };
        return reference;
    }
}

internal static partial class NetworkLog
{
    [LoggerMessage(70, LogLevel.Debug, "A frame of {Bytes} bytes to {Node} is lost: {Why}")]
    public static partial void Lost(ILogger logger, NodeName node, int bytes, string why);

    [LoggerMessage(71, LogLevel.Debug, "{Node} did not say how it is: {Why}")]
    public static partial void NoView(ILogger logger, NodeName node, string why);
}
