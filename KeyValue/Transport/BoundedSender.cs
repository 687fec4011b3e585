using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Sends frames that may be lost, and loses those to a node that takes none. Any thread may call it.</summary>
/// <param name="most">Frames on their way to a node at a time.</param>
internal sealed class BoundedSender(INetwork network, int most)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<NodeName, int> _onTheirWay = [];

    /// <summary>False, and it is lost, if too many are on their way to the node.</summary>
    public bool TrySend(NodeName to, ReadOnlyMemory<byte> frame)
    {
        lock (_lock)
        {
            int before = _onTheirWay.GetValueOrDefault(to);
            if (before >= most) return false;
            _onTheirWay[to] = before + 1;
        }
        _ = FollowAsync(to, frame);
        return true;
    }

    private async Task FollowAsync(NodeName to, ReadOnlyMemory<byte> frame)
    {
        try
        {
            await network.SendAsync(to, frame);
        }
        finally
        {
            lock (_lock)
            {
                if (--_onTheirWay[to] == 0) _onTheirWay.Remove(to);
            }
        }
    }
}
