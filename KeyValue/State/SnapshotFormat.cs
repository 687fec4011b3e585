namespace Orleans.Raft.KeyValue;

/// <summary>
/// The content of a snapshot, version 2, all numbers little-endian. Head: magic, version, length (4 bytes each), then
/// descriptor and limits as blocks, term, index, group time (8 bytes each), the group's next session and the number of
/// sessions (4 each). Per session, by id: id, timeout, last use, first (8 each), number of kept answers (4), each as offset from first (4),
/// status, whether it has a value (1 each), the value's length (4), the value. Per column family: its byte, number of
/// rows (8), each as lengths of key and value (4 each), key, value, in order. End: magic (4).
/// </summary>
internal static class SnapshotFormat
{
    public const uint Magic = 0x5347524F;
    public const uint EndMagic = 0x454E4F44;
    public const uint Version = 2;

    public const int PreambleBytes = 12;
    public const int MaxHeadBytes = 1 << 20;
    public const int SessionBytes = 36;
    public const int KeptBytes = 10;
    public const int FamilyBytes = 9;
    public const int RowBytes = 8;
    public const int EndBytes = 4;
}
