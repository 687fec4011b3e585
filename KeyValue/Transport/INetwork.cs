using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Carries frames between nodes: the seam behind which sockets and grain calls live.</summary>
public interface INetwork
{
    /// <summary>
    /// Sends a frame, at most once. Completes when the frame was handed over or is known lost; frames may be lost,
    /// duplicated and reordered. Never throws for an unreachable node.
    /// </summary>
    /// <param name="frame">Must not change until the task completes; not used afterwards.</param>
    ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame);
}
