using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// All that a frozen group has, as its target is to get it: the content of a snapshot without what the source's log and
/// members did since, so that every replica of the source makes the same bytes of it.
/// </summary>
public sealed class MergeContent
{
    /// <summary>More is not merged.</summary>
    public const int MaxBytes = 8 << 20;

    /// <summary>Of a part that goes through the target's log as one entry.</summary>
    public const int MaxChunkBytes = 512 << 10;

    private MergeContent(MergeId merge, GroupDescriptor source, byte[] bytes)
    {
        Merge = merge;
        Source = source;
        Bytes = bytes;
        Checksum = Crc32C.Compute(bytes);
    }

    public MergeId Merge { get; }

    /// <summary>Its group, range and range version; no members.</summary>
    public GroupDescriptor Source { get; }

    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>CRC-32C of <see cref="Bytes"/>.</summary>
    public uint Checksum { get; }

    /// <summary>The part that begins at an offset; null at the end or beyond.</summary>
    public MergeChunk? ChunkAt(long offsetBytes, int mostBytes = MaxChunkBytes) => offsetBytes < 0 || offsetBytes >= Bytes.Length
        ? null
        : new MergeChunk(Merge, Source, offsetBytes, Bytes.Length, Checksum,
            Bytes.Slice((int)offsetBytes, (int)Math.Min(mostBytes, Bytes.Length - offsetBytes)));

    /// <summary>Writes it all; may run on any thread.</summary>
    /// <param name="snapshot">Of a state in which <paramref name="merge"/> is frozen.</param>
    internal static MergeContent Of(MergeId merge, GroupStateSnapshot snapshot)
    {
        GroupStateSnapshot content = snapshot.ForMerge();
        var encoder = new GroupStateEncoder(content);
        var written = new ByteBuffer();
        byte[] piece = new byte[64 << 10];
        for (int filled = encoder.Fill(piece); filled > 0; filled = encoder.Fill(piece))
            written.Bytes(piece.AsSpan(0, filled));
        return new MergeContent(merge, content.Descriptor, written.ToArray());
    }
}

/// <summary>A part of a <see cref="MergeContent"/>, on its way to the target.</summary>
/// <param name="Source">Its group, range and range version; no members.</param>
/// <param name="OffsetBytes">Where it begins.</param>
/// <param name="TotalBytes">Of the whole.</param>
/// <param name="Checksum">CRC-32C of the whole.</param>
/// <param name="Data">Not empty, at most <see cref="MergeContent.MaxChunkBytes"/>. Never changed.</param>
public sealed record MergeChunk(MergeId Merge, GroupDescriptor Source, long OffsetBytes, long TotalBytes, uint Checksum,
    ReadOnlyMemory<byte> Data);
