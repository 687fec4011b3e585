using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <summary>All that was ever seen of one merge.</summary>
internal sealed class MergeRecord
{
    /// <summary>The group that ends; null while nobody was seen to be part of it.</summary>
    public GroupId? Source { get; set; }

    /// <summary>All that the source had when it was frozen, and its checksum as the target is to get it; null if that was
    /// not seen.</summary>
    public (GroupStateSnapshot State, uint Checksum)? Content { get; set; }

    /// <summary>Where the target was first seen to have taken the source; null: nowhere.</summary>
    public (GroupId Target, NodeName On)? Taken { get; set; }

    /// <summary>Where the target was first seen to have given it up; null: nowhere.</summary>
    public NodeName? Abandoned { get; set; }
}
