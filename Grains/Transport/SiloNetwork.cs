using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>
/// The sending end. Each link sends one frame at a time, and every so often a send ends only when the frame arrived or
/// counts as lost (<see cref="FrameWindow"/>): so a silo that hangs costs one frame per timeout and link, and one that
/// is known to be gone costs nothing.
/// </summary>
internal sealed class SiloNetwork(
    NodePlaces places, SiloTransportClient transports, IOptions<OrleansRaftOptions> options,
    ILogger<SiloNetwork> logger) : INetwork
{
    private volatile Dictionary<SiloAddress, Way> _ways = [];

    public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame) =>
        places.Find(to) is { } address ? DeliverAsync(to, address, frame.ToArray()) : ValueTask.CompletedTask;

    /// <summary>What a node says of itself; null if it is not up or does not answer in time.</summary>
    public async Task<SiloViewMessage?> GetViewAsync(NodeName node)
    {
        if (places.Find(node) is not { } address) return null;
        try
        {
            return await WayTo(address).Silo.GetView(node.Value).WaitAsync(options.Value.FrameTimeout);
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
        WayTo(silo).Silo.WaitForKnowledge(seen);

    private async ValueTask DeliverAsync(NodeName to, SiloAddress address, byte[] frame)
    {
        Way way = WayTo(address);
        bool waits = !way.Window.TryPass(frame.Length);
        try
        {
            if (waits) await way.Silo.Deliver(frame, to.Value).WaitAsync(options.Value.FrameTimeout);
            else await way.Silo.Pass(frame, to.Value);
            if (waits) way.Window.NoteReply(came: true);
        }
        // A lost frame is no error: Raft sends again what matters.
#pragma warning disable CA1031
        catch (Exception failure)
#pragma warning restore CA1031
        {
            way.Window.NoteReply(came: false);
            NetworkLog.Lost(logger, to, frame.Length, failure.Message);
        }
    }

    private Way WayTo(SiloAddress address)
    {
        if (_ways.TryGetValue(address, out Way? known)) return known;
        var way = new Way(transports.Of(address), new FrameWindow());
        // A silo's earlier lives need none any more.
        _ways = new Dictionary<SiloAddress, Way>(_ways.Where(w => !w.Key.Endpoint.Equals(address.Endpoint)))
        {
            [address] = way,
        };
        return way;
    }

    private sealed record Way(ISiloTransport Silo, FrameWindow Window);
}

internal static partial class NetworkLog
{
    [LoggerMessage(70, LogLevel.Debug, "A frame of {Bytes} bytes to {Node} is lost: {Why}")]
    public static partial void Lost(ILogger logger, NodeName node, int bytes, string why);

    [LoggerMessage(71, LogLevel.Debug, "{Node} did not say how it is: {Why}")]
    public static partial void NoView(ILogger logger, NodeName node, string why);
}
