using System.Runtime.InteropServices;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Checks what a slot holds when it is opened. Nothing is repaired.</summary>
internal static class SlotRecovery
{
    public static SortedDictionary<GroupId, GroupRows> Check(string slot, SlotContent content)
    {
        var checksum = new RowChecksum(content.StoreId);
        if (content.Formation is { } formation && !checksum.IsRight(formation))
            throw SlotCorruption.Found(slot, "formation", "of the only row", "its checksum is wrong");
        var groups = new SortedDictionary<GroupId, GroupRows>();
        ReadOnlySpan<EntryRow> entries = CollectionsMarshal.AsSpan(content.Entries.ToList());
        CheckEntries(slot, checksum, entries);
        foreach (ReplicaRow row in content.Replicas.OrderBy(row => row.Group))
        {
            if (!checksum.IsRight(row))
                throw SlotCorruption.Found(slot, "replica", $"(group_id)=({row.Group.Value})", "its checksum is wrong");
            RequireGroupOfNextEntry(slot, entries, row.Group, atLeast: true);
            int own = 0;
            while (own < entries.Length && entries[own].Group == row.Group) own++;
            var group = new GroupRows(row.Group);
            if (group.Recover(row, entries[..own]) is { } problem)
                throw SlotCorruption.Found(slot, "entry", $"(group_id)=({row.Group.Value})", problem);
            entries = entries[own..];
            groups.Add(row.Group, group);
            CheckSnapshot(slot, content, row);
        }
        RequireGroupOfNextEntry(slot, entries, null, atLeast: false);
        return groups;
    }

    private static void CheckEntries(string slot, RowChecksum checksum, ReadOnlySpan<EntryRow> entries)
    {
        foreach (ref readonly EntryRow row in entries)
        {
            if (checksum.IsRight(row)) continue;
            throw SlotCorruption.Found(slot, "entry",
                $"(group_id, index)=({row.Group.Value}, {row.Entry.Index.Value})", "its checksum is wrong");
        }
    }

    /// <summary>Entries of a group that has no row are nobody's.</summary>
    private static void RequireGroupOfNextEntry(string slot, ReadOnlySpan<EntryRow> entries, GroupId? group,
        bool atLeast)
    {
        if (entries.IsEmpty || (atLeast && entries[0].Group >= group)) return;
        throw SlotCorruption.Found(slot, "replica", $"(group_id)=({entries[0].Group.Value})",
            "the row is missing, but there are entries of that group");
    }

    private static void CheckSnapshot(string slot, SlotContent content, ReplicaRow row)
    {
        if (row.Snapshot is not { } snapshot) return;
        long chunks = (snapshot.File.LengthBytes + snapshot.ChunkBytes - 1) / snapshot.ChunkBytes;
        (long Chunks, long Bytes) found = content.Chunks.GetValueOrDefault(snapshot.Key);
        if (found == (chunks, snapshot.File.LengthBytes)) return;
        throw SlotCorruption.Found(slot, "snapshot_chunk", $"{snapshot.Key}",
            $"the snapshot of {row.Group} has {found.Chunks} chunks of {found.Bytes} bytes together instead of "
            + $"{chunks} of {snapshot.File.LengthBytes}");
    }
}
