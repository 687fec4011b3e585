using System.Buffers.Binary;
using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// The first 64 bytes of every file here: magic (8), version (4), checksum of these 64 bytes (4, counted as zero), and
/// 48 bytes of the file's own. Magic, version and checksum keep their places in all versions.
/// </summary>
internal static class FileHeader
{
    public const int Bytes = 64;
    public const int OwnOffset = 16;

    private const int VersionOffset = 8;
    private const int ChecksumOffset = 12;

    /// <summary>Completes a header whose own bytes are filled in.</summary>
    public static void Seal(Span<byte> header, ReadOnlySpan<byte> magic, int version)
    {
        magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[VersionOffset..], version);
        header[ChecksumOffset..OwnOffset].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header[ChecksumOffset..], Crc32C.Compute(header[..Bytes]));
    }

    /// <summary>Throws unless these are an undamaged header of a version from <paramref name="oldest"/> to
    /// <paramref name="understood"/>.</summary>
    public static void Check(
        string path, ReadOnlySpan<byte> header, ReadOnlySpan<byte> magic, int oldest, int understood)
    {
        if (header.Length < Bytes) throw Corruption.Found(path, 0, "the file is shorter than its header");
        if (!header[..magic.Length].SequenceEqual(magic))
            throw Corruption.Found(path, 0, "it does not begin with the bytes of such a file");
        Span<byte> copy = stackalloc byte[Bytes];
        header[..Bytes].CopyTo(copy);
        copy[ChecksumOffset..OwnOffset].Clear();
        if (Crc32C.Compute(copy) != BinaryPrimitives.ReadUInt32LittleEndian(header[ChecksumOffset..]))
            throw Corruption.Found(path, 0, "the checksum of the header is wrong");
        int version = BinaryPrimitives.ReadInt32LittleEndian(header[VersionOffset..]);
        if (version > understood) throw new UnsupportedFileVersionException(path, version, understood);
        if (version < 1) throw Corruption.Found(path, VersionOffset, $"the header names version {version}");
        if (version < oldest) throw new OutdatedFileVersionException(path, version, oldest);
    }
}

/// <summary>Makes the exception that stops a node whose files are not what it wrote.</summary>
internal static class Corruption
{
    public static CorruptionException Found(string path, long offsetBytes, string what) => new(path, offsetBytes,
        $"{path} is damaged at offset {offsetBytes}: {what}. Nothing was changed. Do not edit or delete files here: "
        + "check the disk, "
        + "keep a copy of the directory, and replace this node; the other replicas have its data.");
}
