using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Configuration;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Silo;

/// <summary>The host program's options, from configuration section <c>OrleansRaft</c>.</summary>
internal sealed record SiloSettings
{
    public const string Section = "OrleansRaft";

    private const string Development = "development";
    private const string PostgreSql = "postgresql";

    /// <summary>Key in the section, argument, and what it means.</summary>
    public static readonly IReadOnlyList<(string Key, string Argument, string Description)> All =
    [
        ("Name", "--name", "This silo's name: one of --nodes, unless it joins."),
        ("Nodes", "--nodes", "Names of all silos that the cluster forms with, comma-separated, the same on every silo "
            + "(default silo-1,silo-2,silo-3)."),
        ("Join", "--join", "This silo is none of --nodes: it joins the cluster that those have formed."),
        ("Zone", "--zone", "Where this silo stands, such as a rack: groups spread over zones (default: none)."),
        ("Data", "--data", "Where each silo has a directory of its name (default ./data)."),
        ("Groups", "--groups", "Raft groups of a new cluster (default 4)."),
        ("SplitAt", "--split-at", "Keys to divide the key space at, comma-separated; \\xHH is a byte."),
        ("SiloPort", "--silo-port", "Port for other silos (default 11111)."),
        ("GatewayPort", "--gateway-port", "Port for clients (default 30000)."),
        ("Address", "--address", "Where others reach this silo: an IP address, v4 or v6, or a host name that resolves "
            + "to one (default 127.0.0.1)."),
        ("ListenAny", "--listen-any", "Listen on all of this machine's addresses, not only on --address."),
        ("HealthPort", "--health-port", "Port of /health/live and /health/ready, on all addresses (default: none)."),
        ("Otlp", "--otlp", "Where metrics and traces go: an OpenTelemetry collector's OTLP endpoint over HTTP, such as "
            + "http://collector:4318 (default: nowhere)."),
        ("ClusterId", "--cluster-id", "Name of the Orleans cluster (default orleans-raft)."),
        ("Clustering", "--clustering", "How silos find each other: development, by a file on one machine, or "
            + "postgresql, by a database (default development)."),
        ("Membership", "--membership", "With --clustering development: the file that all silos of this machine share "
            + "(default DATA/membership.json)."),
        ("Database", "--database", "With --clustering postgresql: Npgsql's connection string. Others of this machine see "
            + "command lines: a password is better given by the environment, OrleansRaft__Database."),
        ("Slots", "--slots", "With --clustering postgresql: the JSON file that names the databases which hold the replicas, "
            + "the same on every silo; --nodes then are those of its slots with which the cluster forms, if not all "
            + "(default: none, replicas are in --data)."),
        ("StopWithin", "--stop-within", "Seconds that a silo has to hand over what it leads when it is stopped "
            + "(default 5)."),
        ("LogSegment", "--log-segment", "Size of a file of the silo's log, in MiB (default 32)."),
        ("SnapshotAfter", "--snapshot-after",
        "Growth of a group's log after which a snapshot is taken, in MiB (default 32)."),
        ("Replicas", "--replicas", "Replicas of each group; of 2n + 1 any n may fail (default 3)."),
        ("SplitSize", "--split-size", "Size in MiB of keys and values above which a group is split (default 64)."),
        ("MergeSize", "--merge-size",
        "Size in MiB below which two neighbours together are merged, at most half of --split-size (default 0: never)."),
        ("GoneAfter", "--gone-after",
        "Seconds after which the replicas of a silo that does not answer are replaced (default 600)."),
        ("Moves", "--moves", "Replicas on the move at a time (default 4)."),
        ("NoBalance", "--no-balance", "A new cluster does not even out replicas and leaders until balance on."),
        ("NoFsync", "--no-fsync",
        "Acknowledge writes before they are on the disk: a power failure may lose acknowledged writes."),
    ];

    public required NodeName Name { get; init; }

    public required IReadOnlyList<NodeName> Nodes { get; init; }

    /// <summary>Whether the cluster forms with whatever slots there are: <see cref="Nodes"/> names none of
    /// them.</summary>
    public bool FormsWithAllSlots { get; init; }

    public bool Joins { get; init; }

    public required string Zone { get; init; }

    public required string Data { get; init; }

    public int? Groups { get; init; }

    public IReadOnlyList<byte[]>? SplitKeys { get; init; }

    public required int SiloPort { get; init; }

    public required int GatewayPort { get; init; }

    /// <summary>An IP address or a host name.</summary>
    public required string Address { get; init; }

    public bool ListensOnAny { get; init; }

    /// <summary>Null: none.</summary>
    public int? HealthPort { get; init; }

    /// <summary>Null: none.</summary>
    public Uri? Collector { get; init; }

    public required string ClusterId { get; init; }

    /// <summary>The connection string of the database that silos find each other through; null: they do by
    /// <see cref="Membership"/>.</summary>
    public string? Database { get; init; }

    /// <summary>The slots that silos share; null: this silo's replicas are in <see cref="Data"/>.</summary>
    public IReadOnlyList<Slot>? Slots { get; init; }

    public required TimeSpan StopWithin { get; init; }

    public required string Membership { get; init; }

    public required int LogSegmentBytes { get; init; }

    public required long SnapshotLogBytes { get; init; }

    public required ControllerOptions Controller { get; init; }

    public bool FlushToDisk { get; init; } = true;

    /// <summary>Reads and checks the section; what is wrong is in <paramref name="problems"/>, each naming key, value
    /// and rule.</summary>
    public static SiloSettings? Read(IConfiguration configuration, out IReadOnlyList<string> problems)
    {
        var reader = new Reader(configuration.GetSection(Section));
        string clustering = reader.Text("Clustering", Development);
        reader.Check("Clustering", clustering is Development or PostgreSql, $"{Development} or {PostgreSql}");
        string name = reader.Text("Name", "");
        IReadOnlyList<Slot>? slots = reader.Slots();
        reader.Check("Slots", slots is null || clustering == PostgreSql, $"left out without --clustering {PostgreSql}");
        string all = slots is null ? "silo-1,silo-2,silo-3" : string.Join(',', slots.Select(slot => slot.Name));
        string[] nodes = [.. reader.Text("Nodes", all).Split(',', StringSplitOptions.TrimEntries)];
        reader.Check("Nodes", slots is null || nodes.All(n => slots.Any(slot => slot.Name.Value == n)),
            $"names of slots ({all})");
        reader.Check("Nodes", nodes.All(n => n.Length > 0) && nodes.Distinct(StringComparer.Ordinal)
            .Count() == nodes.Length, "names separated by commas, none empty, none twice");
        bool joins = reader.Flag("Join");
        string others = string.Join(", ", nodes);
        if (slots is not null)
        {
            reader.Check("Name", name.Length > 0, "the silo's name");
            reader.Check("Join", !joins, "left out with Slots (--slots): silos come and go by themselves");
        }
        else if (joins) reader.Check("Name", name.Length > 0 && !nodes.Contains(name, StringComparer.Ordinal),
            $"another name than those of --nodes ({others}), as this silo joins them (--join)");
        else reader.Check("Name", nodes.Contains(name, StringComparer.Ordinal),
            $"one of the silos' names ({others}), or this silo joins them (--join)");
        string data = reader.Text("Data", "./data");
        reader.Check("Data", !string.IsNullOrWhiteSpace(data), "a directory");
        var settings = new SiloSettings
        {
            Name = new NodeName(name),
            Nodes = [.. nodes.Select(n => new NodeName(n))],
            FormsWithAllSlots = slots is not null && !reader.Has("Nodes"),
            Joins = joins,
            Zone = reader.Text("Zone", ""),
            Data = data,
            Groups = reader.Number("Groups", null, 1, StoreNodeOptions.MaxGroups),
            SplitKeys = reader.Keys("SplitAt"),
            SiloPort = reader.Number("SiloPort", 11111, 1, IPEndPoint.MaxPort) ?? 0,
            GatewayPort = reader.Number("GatewayPort", 30000, 1, IPEndPoint.MaxPort) ?? 0,
            Address = reader.Text("Address", "127.0.0.1"),
            ListensOnAny = reader.Flag("ListenAny"),
            HealthPort = reader.Number("HealthPort", null, 1, IPEndPoint.MaxPort),
            Collector = reader.Endpoint("Otlp"),
            StopWithin = TimeSpan.FromSeconds(reader.Number("StopWithin", 5, 1, 600) ?? 0),
            Database = clustering == PostgreSql ? reader.Database() : null,
            Slots = slots,
            ClusterId = reader.Text("ClusterId", "orleans-raft"),
            Membership = reader.Text("Membership", Path.Combine(data, "membership.json")),
            LogSegmentBytes = (reader.Number("LogSegment", 32, 1, 1024) ?? 0) << 20,
            SnapshotLogBytes = (reader.Number("SnapshotAfter", 32, 1, 1 << 20) ?? 0L) << 20,
            Controller = new ControllerOptions
            {
                IsBalanceOn = !reader.Flag("NoBalance"),
                Placement = new PlacementOptions
                {
                    ReplicaCount = reader.Number("Replicas", 3, 1, FormationPlan.MaxReplicationFactor) ?? 0,
                    SplitBytes = (reader.Number("SplitSize", 64, 1, 1 << 20) ?? 0L) << 20,
                    MergeBytes = (reader.Number("MergeSize", 0, 0, 1 << 19) ?? 0L) << 20,
                    GoneAfter = TimeSpan.FromSeconds(reader.Number("GoneAfter", 600, 5, 1 << 30) ?? 0),
                    MaxMoves = reader.Number("Moves", 4, 1, 1000) ?? 0,
                },
            },
            FlushToDisk = !reader.Flag("NoFsync"),
        };
        PlacementOptions placement = settings.Controller.Placement;
        reader.Check("MergeSize", placement.MergeBytes <= placement.SplitBytes / 2, "at most half of SplitSize "
            + "(--split-size)");
        reader.Check("Membership", !string.IsNullOrWhiteSpace(settings.Membership), "a file");
        reader.Check("ClusterId", !string.IsNullOrWhiteSpace(settings.ClusterId), "a name");
        reader.Check("Address", Uri.CheckHostName(settings.Address) is not (UriHostNameType.Unknown
            or UriHostNameType.Basic), "an IP address or a host name");
        reader.Check("HealthPort", settings.HealthPort is not { } health
            || (health != settings.SiloPort && health != settings.GatewayPort),
            "another port than SiloPort (--silo-port) and GatewayPort (--gateway-port)");
        reader.Check("GatewayPort", settings.GatewayPort != settings.SiloPort,
            "another port than SiloPort (--silo-port)");
        reader.Check("Groups", settings.Groups is not { } groups || settings.SplitKeys is not { } keys
            || keys.Count + 1 == groups,
            "left out with SplitAt (--split-at), or one more than its keys");
        problems = reader.Problems;
        return problems.Count == 0 ? settings : null;
    }

    /// <summary>Reads the connection string alone; null if it is none.</summary>
    public static string? ReadDatabase(IConfiguration configuration, out IReadOnlyList<string> problems)
    {
        var reader = new Reader(configuration.GetSection(Section));
        string? database = reader.Database();
        problems = reader.Problems;
        return database;
    }

    /// <summary>Reads the slots alone; null if there are none, or with a problem.</summary>
    public static IReadOnlyList<Slot>? ReadSlots(IConfiguration configuration, out IReadOnlyList<string> problems)
    {
        var reader = new Reader(configuration.GetSection(Section));
        IReadOnlyList<Slot>? slots = reader.Slots();
        problems = reader.Problems;
        return slots;
    }

    /// <summary>Reads values and remembers what is wrong with them.</summary>
    private sealed class Reader(IConfigurationSection section)
    {
        private readonly List<string> _problems = [];

        public IReadOnlyList<string> Problems => _problems;

        public bool Has(string key) => section[key] is not null;

        public string Text(string key, string otherwise) => section[key] ?? otherwise;

        public bool Flag(string key)
        {
            if (section[key] is not { } text) return false;
            bool known = bool.TryParse(text, out bool value);
            Check(key, known, "true or false");
            return value;
        }

        public int? Number(string key, int? otherwise, int least, int most)
        {
            if (section[key] is not { } text) return otherwise;
            bool valid = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
                && value >= least && value <= most;
            Check(key, valid, $"a number from {least} to {most}");
            return valid ? value : otherwise;
        }

        public Uri? Endpoint(string key)
        {
            if (section[key] is not { } text) return null;
            bool valid = Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https";
            Check(key, valid, "a URL that begins with http:// or https://");
            return uri;
        }

        public IReadOnlyList<Slot>? Slots()
        {
            if (section["Slots"] is not { } path) return null;
            IReadOnlyList<Slot>? slots = SlotFile.Read(path, out string problem);
            Check("Slots", slots is not null, $"a file of slots ({problem})");
            return slots;
        }

        public string? Database()
        {
            const string Name = "Database (--database, or by the environment OrleansRaft__Database)";
            if (ConnectionText.ProblemOf(section["Database"]) is not { } problem) return section["Database"];
            _problems.Add($"{Section}:{Name} {problem}.");
            return null;
        }

        public List<byte[]>? Keys(string key)
        {
            if (section[key] is not { } text) return null;
            var keys = new List<byte[]>();
            foreach (string word in text.Split(','))
            {
                bool valid = TryUnescape(word, out byte[] bytes) && bytes.Length > 0
                    && (keys.Count == 0 || bytes.AsSpan().SequenceCompareTo(keys[^1]) > 0);
                Check(key, valid, $"keys that ascend, none empty, \\xHH for a byte ('{word}' breaks that)");
                keys.Add(bytes);
            }
            return keys;
        }

        public void Check(string key, bool valid, string rule)
        {
            string argument = All.First(o => o.Key == key).Argument;
            if (!valid) _problems.Add($"{Section}:{key} ({argument}) is '{section[key]}'; it must be {rule}.");
        }

        private static bool TryUnescape(string word, out byte[] bytes)
        {
            using var output = new MemoryStream();
            bytes = [];
            for (int i = 0; i < word.Length; i++)
            {
                if (word[i] != '\\')
                {
                    output.Write(
                        Encoding.UTF8.GetBytes(word, i, char.IsHighSurrogate(word[i]) && i + 1 < word.Length ? 2 : 1));
                    if (char.IsHighSurrogate(word[i])) i++;
                }
                else if (i + 1 < word.Length && word[i + 1] == '\\')
                {
                    output.WriteByte((byte)'\\');
                    i++;
                }
                else if (i + 3 < word.Length && word[i + 1] == 'x' && byte.TryParse(word.AsSpan(i + 2, 2),
                    NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
                {
                    output.WriteByte(value);
                    i += 3;
                }
                else
                {
                    return false;
                }
            }
            bytes = output.ToArray();
            return true;
        }
    }
}
