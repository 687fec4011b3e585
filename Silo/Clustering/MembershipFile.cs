using System.Text.Json;

namespace Orleans.Raft.Silo;

/// <summary>What a membership file holds.</summary>
internal sealed class MembershipFile
{
    public int Version { get; set; }

    /// <summary>Grows with every change; etags are its values.</summary>
    public long Changes { get; set; }

    public string VersionEtag { get; set; } = "0";

    public List<Row> Rows { get; set; } = [];

    /// <exception cref="JsonException">This is no JSON, or not of this shape.</exception>
    /// <exception cref="InvalidDataException">A row cannot be.</exception>
    public static MembershipFile Parse(ReadOnlySpan<byte> json)
    {
        MembershipFile file = JsonSerializer.Deserialize<MembershipFile>(json, Format)
            ?? throw new InvalidDataException("The file holds null.");
        for (int i = 0; i < file.Rows.Count; i++)
        {
            if (file.Rows[i] is not { } row || !Enum.IsDefined(row.Status) || !IsSilo(row.Address)
                || row.Suspicions.Any(suspicion => suspicion is null || !IsSilo(suspicion.By)))
                throw new InvalidDataException($"Row {i + 1} is no silo's.");
        }
        return file;
    }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, Format);

    public string NextEtag() => (++Changes).ToString();

    public Row? Find(SiloAddress silo)
    {
        string address = silo.ToParsableString();
        return Rows.Find(r => r.Address == address);
    }

    public MembershipTableData ToTable(IEnumerable<Row> rows) =>
        new([.. rows.Select(r => Tuple.Create(r.ToEntry(), r.Etag))], new TableVersion(Version, VersionEtag));

    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        RespectNullableAnnotations = true,
    };

    /// <summary>Whether a text is a silo's address; Orleans' own reader throws at others, each in its way.</summary>
    private static bool IsSilo(string text)
    {
        try
        {
            return SiloAddress.FromParsableString(text).ToParsableString() == text;
        }
        catch (Exception failure) when (failure is FormatException or ArgumentException or OverflowException
            or IndexOutOfRangeException)
        {
            return false;
        }
    }

    /// <summary>One silo's entry.</summary>
    internal sealed class Row
    {
        public string Address { get; set; } = "";

        public string Etag { get; set; } = "";

        public SiloStatus Status { get; set; }

        public string SiloName { get; set; } = "";

        public string HostName { get; set; } = "";

        public string? RoleName { get; set; }

        public int ProxyPort { get; set; }

        public int UpdateZone { get; set; }

        public int FaultZone { get; set; }

        public DateTime StartTime { get; set; }

        public DateTime IAmAliveTime { get; set; }

        public List<Suspicion> Suspicions { get; set; } = [];

        public static Row Of(MembershipEntry entry, string etag) => new()
        {
            Address = entry.SiloAddress.ToParsableString(),
            Etag = etag,
            Status = entry.Status,
            SiloName = entry.SiloName,
            HostName = entry.HostName,
            RoleName = entry.RoleName,
            ProxyPort = entry.ProxyPort,
            UpdateZone = entry.UpdateZone,
            FaultZone = entry.FaultZone,
            StartTime = entry.StartTime,
            IAmAliveTime = entry.IAmAliveTime,
            Suspicions = [.. (entry.SuspectTimes ?? [])
                .Select(s => new Suspicion { By = s.Item1.ToParsableString(), At = s.Item2 })],
        };

        public MembershipEntry ToEntry() => new()
        {
            SiloAddress = SiloAddress.FromParsableString(Address),
            Status = Status,
            SiloName = SiloName,
            HostName = HostName,
            RoleName = RoleName,
            ProxyPort = ProxyPort,
            UpdateZone = UpdateZone,
            FaultZone = FaultZone,
            StartTime = StartTime,
            IAmAliveTime = IAmAliveTime,
            SuspectTimes = [.. Suspicions.Select(s => Tuple.Create(SiloAddress.FromParsableString(s.By), s.At))],
        };
    }

    /// <summary>One silo's vote that another is dead.</summary>
    internal sealed class Suspicion
    {
        public string By { get; set; } = "";

        public DateTime At { get; set; }
    }
}
