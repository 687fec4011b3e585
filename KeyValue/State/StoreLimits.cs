namespace Orleans.Raft.KeyValue;

/// <summary>The limits of a store, fixed for all its nodes when the cluster forms: applying a command consults
/// them.</summary>
public sealed record StoreLimits
{
    private const byte Version = 1;

    /// <summary>The largest key. Default 4 KiB, at most 64 KiB.</summary>
    public int MaxKeyBytes { get; init; } = 4096;

    /// <summary>The largest value. Default 1 MiB, at most 64 MiB.</summary>
    public int MaxValueBytes { get; init; } = 1 << 20;

    /// <summary>The largest operation, an atomic batch above all; also what the answers of one entry or one batch of
    /// reads may take before the rest is answered by <see cref="AnswerStatus.Busy"/>. Default 4 MiB; two values and a
    /// key must fit.</summary>
    public int MaxBatchBytes { get; init; } = 4 << 20;

    /// <summary>Writes of one session that are in flight or whose answers are kept. Default 1,024, at most
    /// 65,536.</summary>
    public int SessionWindow { get; init; } = 1024;

    /// <summary>Bytes of values in the kept answers of one session. Default 4 MiB; two values must fit.</summary>
    public int SessionAnswerBytes { get; init; } = 4 << 20;

    /// <summary>Sessions open at the same time in one group; more are answered by <see cref="AnswerStatus.Busy"/>.
    /// Default 100,000.</summary>
    public int MaxSessions { get; init; } = 100_000;

    /// <summary>Bytes of rows in one page of a scan, except that one row always fits. Default 1 MiB.</summary>
    public int ScanPageBytes { get; init; } = 1 << 20;

    /// <summary>The longest timeout a session may be opened with, and the one to use. Default 5 minutes.</summary>
    public long SessionTimeoutMilliseconds { get; init; } = 5 * 60 * 1000;

    /// <summary>Returns every problem of these limits, in words; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        void Check(bool valid, string problem)
        {
            if (!valid) problems.Add(problem);
        }
        Check(MaxKeyBytes is >= 1 and <= 1 << 16, "MaxKeyBytes must be 1 to 65,536.");
        Check(MaxValueBytes is >= 0 and <= 64 << 20, "MaxValueBytes must be 0 to 64 MiB.");
        Check(MaxBatchBytes <= 1 << 30 && MaxBatchBytes >= (2L * MaxValueBytes) + MaxKeyBytes + 64,
            "MaxBatchBytes must hold two values, a key and 64 bytes, and be at most 1 GiB.");
        Check(SessionWindow is >= 1 and <= 1 << 16, "SessionWindow must be 1 to 65,536.");
        // With room for two, the oldest write unanswered always finds room: what was kept after it is less than one
        // value.
        Check(SessionAnswerBytes >= 2L * MaxValueBytes && SessionAnswerBytes <= 1 << 30,
            "SessionAnswerBytes must hold two values and be at most 1 GiB.");
        Check(MaxSessions is >= 1 and <= 10_000_000, "MaxSessions must be 1 to 10,000,000.");
        Check(ScanPageBytes is >= 1 and <= 1 << 30, "ScanPageBytes must be 1 byte to 1 GiB.");
        Check(SessionTimeoutMilliseconds >= 1, "SessionTimeoutMilliseconds must be at least 1.");
        return problems;
    }

    /// <summary>The bytes of the formation record and of snapshots.</summary>
    public byte[] Encode()
    {
        var buffer = new ByteBuffer();
        buffer.Byte(Version);
        foreach ((_, long value) in Fields()) buffer.Varint((ulong)value);
        return buffer.ToArray();
    }

    /// <summary>Says in words how other limits differ from these; null if they do not.</summary>
    internal string? DifferenceTo(StoreLimits other)
    {
        if (this == other) return null;
        return string.Join(", ", Fields().Zip(other.Fields()).Where(pair => pair.First.Value != pair.Second.Value)
            .Select(pair => $"{pair.First.Name} {pair.First.Value} against {pair.Second.Value}"));
    }

    /// <exception cref="InvalidDataException">These are no valid limits of this version.</exception>
    public static StoreLimits Decode(ReadOnlySpan<byte> bytes)
    {
        var reader = new ByteReader(bytes);
        if (!reader.TryByte(out byte version)) throw new InvalidDataException("The store's limits are missing.");
        if (version != Version)
        {
            throw new InvalidDataException(
                $"The store's limits have version {version}; this program understands {Version}. Start a newer "
                + "program.");
        }
        var limits = new StoreLimits
        {
            MaxKeyBytes = Int(ref reader),
            MaxValueBytes = Int(ref reader),
            MaxBatchBytes = Int(ref reader),
            SessionWindow = Int(ref reader),
            SessionAnswerBytes = Int(ref reader),
            MaxSessions = Int(ref reader),
            ScanPageBytes = Int(ref reader),
            SessionTimeoutMilliseconds = Long(ref reader),
        };
        if (!reader.IsAtEnd) throw new InvalidDataException("The store's limits have bytes after their end.");
        IReadOnlyList<string> problems = limits.Validate();
        if (problems.Count > 0)
            throw new InvalidDataException($"The store's limits are invalid: {string.Join(' ', problems)}");
        return limits;
    }

    private (string Name, long Value)[] Fields() =>
    [
        (nameof(MaxKeyBytes), MaxKeyBytes), (nameof(MaxValueBytes), MaxValueBytes),
            (nameof(MaxBatchBytes), MaxBatchBytes),
        (nameof(SessionWindow), SessionWindow), (nameof(SessionAnswerBytes), SessionAnswerBytes),
        (nameof(MaxSessions), MaxSessions), (nameof(ScanPageBytes), ScanPageBytes),
        (nameof(SessionTimeoutMilliseconds), SessionTimeoutMilliseconds),
    ];

    private static long Long(ref ByteReader reader) => reader.TryPositive(out long value)
        ? value
        : throw new InvalidDataException("The store's limits are cut short or malformed.");

    private static int Int(ref ByteReader reader)
    {
        long value = Long(ref reader);
        return value <= int.MaxValue
            ? (int)value
            : throw new InvalidDataException($"The store's limits hold {value}, which is too large.");
    }
}
