namespace Orleans.Raft.KeyValue;

/// <summary>
/// The content of a snapshot, version 3, all numbers little-endian. Head: magic, version, length (4 bytes each), then
/// descriptor and limits as blocks, term, index, group time (8 bytes each), the group's next session and the number of
/// sessions (4 each), the number of groups of whose sessions some are forgotten (4), each with the newest (4 each), the
/// last merge (8) and its outcome (1), whether the group is frozen (1) and if so the merge (8) and its target (4),
/// whether there is something incoming (1) and if so the merge (8), the source as a block, the length of all (4), its
/// checksum (4), and the number of parts (4). Each part: length (4), bytes. Per session, by id: id, timeout, last use,
/// first (8 each), the group that used it last (4), number of kept answers (4), each as offset from first (4), status,
/// whether it has a value (1 each), the value's length (4), the value. Per column family: its byte, number of rows (8),
/// each as lengths of key and value (4 each), key, value, in order. End: magic (4).
/// </summary>
internal static class SnapshotFormat
{
    public const uint Magic = 0x5347524F;
    public const uint EndMagic = 0x454E4F44;
    public const uint Version = 3;

    public const int PreambleBytes = 12;
    public const int MaxHeadBytes = 1 << 20;
    public const int PartBytes = 4;
    /// <summary>All of the head but descriptor, limits, what was forgotten and what a merge under way adds.</summary>
    public const int HeadNumbersBytes = 47;
    public const int ForgottenBytes = 8;

    /// <summary>Keeps the head far below its bound.</summary>
    public const int MaxForgotten = 65_536;
    public const int SessionBytes = 40;
    public const int KeptBytes = 10;
    public const int FamilyBytes = 9;
    public const int RowBytes = 8;
    public const int EndBytes = 4;
}
