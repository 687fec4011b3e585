using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>A <see cref="GroupState"/> as it was at one moment. Never changes; may be read from any thread.</summary>
public sealed class GroupStateSnapshot
{
    internal GroupStateSnapshot(GroupDescriptor descriptor, StoreLimits limits, EntryId lastApplied,
        long groupTimeMilliseconds, uint nextSession, Session[] sessions, long stamp, OrderedMapSnapshot[] families,
        long memoryBytes, KeyValuePair<GroupId, uint>[] forgotten, MergeState merges)
    {
        Descriptor = descriptor;
        Limits = limits;
        LastApplied = lastApplied;
        GroupTimeMilliseconds = groupTimeMilliseconds;
        NextSession = nextSession;
        Sessions = sessions;
        Stamp = stamp;
        Families = families;
        MemoryBytes = memoryBytes;
        Forgotten = forgotten;
        Merges = merges;
    }

    public GroupDescriptor Descriptor { get; }

    public StoreLimits Limits { get; }

    /// <summary>The last entry this covers.</summary>
    public EntryId LastApplied { get; }

    public long GroupTimeMilliseconds { get; }

    /// <summary>What the state took, estimated; also roughly what the snapshot's content will take at most.</summary>
    public long MemoryBytes { get; }

    internal uint NextSession { get; }

    /// <summary>In no particular order.</summary>
    internal Session[] Sessions { get; }

    /// <summary>None of the sessions carries a higher one.</summary>
    internal long Stamp { get; }

    internal OrderedMapSnapshot[] Families { get; }

    /// <summary>The newest sessions that were used and have expired, by the group that opened them.</summary>
    internal KeyValuePair<GroupId, uint>[] Forgotten { get; }

    internal MergeState Merges { get; }

    /// <summary>Without what goes on in a frozen group: its log, its members, the merge itself.</summary>
    internal GroupStateSnapshot ForMerge() => new(Descriptor.RangeOnly, Limits, default, GroupTimeMilliseconds,
        NextSession, Sessions, Stamp, Families, MemoryBytes, Forgotten, MergeState.None);

    /// <summary>CRC-32C of the encoded content: equal on all replicas that applied the same entries. Reads
    /// everything.</summary>
    public uint Digest()
    {
        var encoder = new GroupStateEncoder(this);
        byte[] buffer = new byte[64 * 1024];
        uint crc = 0;
        for (int filled = encoder.Fill(buffer); filled > 0; filled = encoder.Fill(buffer))
            crc = Crc32C.Append(crc, buffer.AsSpan(0, filled));
        return crc;
    }
}
