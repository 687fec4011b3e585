namespace Orleans.Raft.Storage;

/// <summary>One file of the log.</summary>
internal sealed class LogSegment(ulong id, string path, IDiskFile file, long lengthBytes)
{
    public ulong Id => id;

    public string Path => path;

    public IDiskFile File => file;

    /// <summary>Size of the file.</summary>
    public long LengthBytes { get; set; } = lengthBytes;

    /// <summary>Where the next batch goes.</summary>
    public long EndBytes { get; set; } = LogFormat.SegmentHeaderBytes;

    /// <summary>How many live records are here. Invariant: a segment is released only at zero.</summary>
    public int Pins { get; set; }

    /// <summary>Bytes of batches that still fit before the seal.</summary>
    public long RoomBytes => LengthBytes - EndBytes - LogFormat.SealBytes;

    public static string PathOf(ulong id) => $"{DataDirectory.LogDirectory}/{id:D8}.log";
}
