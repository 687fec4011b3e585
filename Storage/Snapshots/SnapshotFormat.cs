using System.Buffers.Binary;
using System.Text.RegularExpressions;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// The bytes of a snapshot file, version 2: a <see cref="FileHeader"/> with group (4), unused (4), index (8), term (8),
/// content length (8), CRC-32C of the content (4), unused (4), replica (8); then the content. Checksum and replica are in
/// the name too, so that two different contents never share one, and no file is taken for a removed replica's.
/// </summary>
internal static partial class SnapshotFormat
{
    public const int HeaderBytes = FileHeader.Bytes;

    private const int Version = 2;

    private static ReadOnlySpan<byte> Magic => "ORAFTSNP"u8;

    public static string PathOf(SnapshotFile file) => $"{DataDirectory.SnapshotDirectory}/{NameOf(file)}";

    public static string NameOf(SnapshotFile file) =>
        $"{file.Group}-r{file.Replica.Value}-{file.Last.Index.Value}-{file.Last.Term.Value}-{file.Checksum:x8}.snap";

    /// <param name="number">Differs for every writer.</param>
    public static string TemporaryPathOf(GroupId group, ReplicaId replica, EntryId last, int number) =>
        $"{DataDirectory.SnapshotDirectory}/{group}-r{replica.Value}-{last.Index.Value}-{last.Term.Value}.{number}"
        + DataDirectory.TemporarySuffix;

    public static bool IsOurs(string name) => Names().IsMatch(name);

    public static byte[] Header(SnapshotFile file)
    {
        byte[] header = new byte[HeaderBytes];
        Span<byte> own = header.AsSpan(FileHeader.OwnOffset);
        BinaryPrimitives.WriteUInt32LittleEndian(own, file.Group.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(own[8..], file.Last.Index.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(own[16..], file.Last.Term.Value);
        BinaryPrimitives.WriteInt64LittleEndian(own[24..], file.LengthBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(own[32..], file.Checksum);
        BinaryPrimitives.WriteUInt64LittleEndian(own[40..], file.Replica.Value);
        FileHeader.Seal(header, Magic, Version);
        return header;
    }

    /// <summary>Throws unless this is the header of that file.</summary>
    public static void CheckHeader(string path, ReadOnlySpan<byte> header, SnapshotFile expected)
    {
        FileHeader.Check(path, header, Magic, Version, Version);
        if (!header[FileHeader.OwnOffset..].SequenceEqual(Header(expected).AsSpan(FileHeader.OwnOffset)))
            throw Corruption.Found(path, FileHeader.OwnOffset,
                $"it is not snapshot {expected.Last} of {expected.Group} that the log names");
    }

    [GeneratedRegex(@"^g\d+-r\d+-\d+-\d+(-[0-9a-f]{8}\.snap|\.\d+\.tmp)$")]
    private static partial Regex Names();
}
