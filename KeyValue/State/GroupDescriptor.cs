using System.Text;
using System.Text.Unicode;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What a replica is for its group. Stored and sent as one byte.</summary>
public enum ReplicaRole : byte
{
    Voter = 0,

    /// <summary>Gets everything and decides nothing.</summary>
    Learner = 1,

    /// <summary>A voter that a change under way adds.</summary>
    Incoming = 2,

    /// <summary>A voter that a change under way removes.</summary>
    Outgoing = 3,
}

/// <summary>Where a replica of a group is.</summary>
public readonly record struct ReplicaPlacement(ReplicaId Id, NodeName Node, ReplicaRole Role = ReplicaRole.Voter);

/// <summary>What a group is: its key range, its replicas, and the versions of both. Compared by value.</summary>
/// <param name="Start">Inclusive; empty: unbounded.</param>
/// <param name="End">Exclusive; empty: unbounded.</param>
/// <param name="RangeVersion">Grows by one with every split or merge.</param>
/// <param name="ConfigVersion">That of the configuration: grows with every membership change, by one if only learners
/// come or go, by two if voters change. 0 of a replica that has not heard of its group's members yet.</param>
public sealed record GroupDescriptor(GroupId Group, byte[] Start, byte[] End, ulong RangeVersion, ulong ConfigVersion,
    IReadOnlyList<ReplicaPlacement> Replicas)
{
    private const byte Version = 1;

    // Says the role of each replica; written only where one is no plain voter, so that older programs read the rest.
    private const byte VersionWithRoles = 2;

    // With roles, and after the replicas the highest id; written only where no replica has that.
    private const byte VersionWithHighest = 3;

    private readonly ReplicaId _highestReplica;

    /// <summary>See <see cref="Configuration.HighestReplica"/>.</summary>
    public ReplicaId HighestReplica
    {
        get
        {
            ReplicaId highest = _highestReplica;
            foreach (ReplicaPlacement replica in Replicas) highest = replica.Id > highest ? replica.Id : highest;
            return highest;
        }
        init => _highestReplica = value;
    }

    /// <summary>What it says of the range, without the members.</summary>
    internal GroupDescriptor RangeOnly =>
        this with { ConfigVersion = 0, Replicas = [], HighestReplica = default };

    /// <summary>Of a replica that knows its group's id and nothing else yet.</summary>
    internal static GroupDescriptor Unknown(GroupId group) => new(group, [], [], 0, 0, []);

    /// <summary>Whether this tells nothing but the group's id.</summary>
    internal bool IsUnknown => Replicas.Count == 0 && ConfigVersion == 0;

    /// <summary>Whether a replica on a node is none of the group's and never will be: it was removed, or the entry that
    /// added it was undone, and its id went to another node.</summary>
    internal bool HasLeft(ReplicaId replica, NodeName node) =>
        replica <= HighestReplica && !Replicas.Any(r => r.Id == replica && r.Node == node);

    /// <summary>Whether a key belongs to this group.</summary>
    public bool Contains(ReadOnlySpan<byte> key) =>
        (Start.Length == 0 || key.SequenceCompareTo(Start) >= 0) && (End.Length == 0 || key.SequenceCompareTo(End) < 0);

    /// <summary>Whether every key of a write belongs to this group.</summary>
    /// <param name="operation">A well-formed <see cref="Operation"/> that has a key.</param>
    internal bool ContainsAll(ReadOnlySpan<byte> operation, StoreLimits limits)
    {
        ParsedOperation parsed = ParsedOperation.Parse(operation, limits, out _);
        if (parsed.Kind != OperationKind.Batch) return Contains(parsed.Key);
        var writes = new ByteReader(parsed.Writes);
        ParsedOperation write = default;
        for (long i = 0; i < parsed.Number; i++)
        {
            ParsedOperation.TryReadWrite(ref writes, limits, ref write);
            if (!Contains(write.Key)) return false;
        }
        return true;
    }

    /// <summary>Whether every key of a range belongs to this group; true for a range that holds no key.</summary>
    /// <param name="start">Inclusive; empty: unbounded.</param>
    /// <param name="end">Exclusive; empty: unbounded.</param>
    public bool ContainsRange(ReadOnlySpan<byte> start, ReadOnlySpan<byte> end)
    {
        if (!end.IsEmpty && start.SequenceCompareTo(end) >= 0) return true;
        bool startInside = Start.Length == 0 || start.SequenceCompareTo(Start) >= 0;
        return startInside && (End.Length == 0 || (!end.IsEmpty && end.SequenceCompareTo(End) <= 0));
    }

    /// <summary>The bytes of answers, snapshots and the formation record.</summary>
    public byte[] Encode()
    {
        var buffer = new ByteBuffer();
        bool hasHighest = RemembersHighest();
        bool hasRoles = hasHighest || Replicas.Any(replica => replica.Role != ReplicaRole.Voter);
        buffer.Byte(hasHighest ? VersionWithHighest : hasRoles ? VersionWithRoles : Version);
        buffer.Varint(Group.Value);
        buffer.Block(Start);
        buffer.Block(End);
        buffer.Varint(RangeVersion);
        buffer.Varint(ConfigVersion);
        buffer.Varint((ulong)Replicas.Count);
        foreach (ReplicaPlacement replica in Replicas)
        {
            buffer.Varint(replica.Id.Value);
            buffer.Block(Encoding.UTF8.GetBytes(replica.Node.Value));
            if (hasRoles) buffer.Byte((byte)replica.Role);
        }
        if (hasHighest) buffer.Varint(HighestReplica.Value);
        return buffer.ToArray();
    }

    /// <exception cref="InvalidDataException">This is no descriptor of this version.</exception>
    public static GroupDescriptor Decode(ReadOnlySpan<byte> bytes)
    {
        var reader = new ByteReader(bytes);
        bool read = reader.TryByte(out byte version) && version is >= Version and <= VersionWithHighest;
        if (!read)
        {
            throw Malformed(bytes.IsEmpty
                ? "it is empty"
                : $"it has version {bytes[0]}, not {Version} to {VersionWithHighest}");
        }
        read = reader.TryVarint(out ulong group) && group <= uint.MaxValue;
        read &= reader.TryBlock(out ReadOnlySpan<byte> start);
        read &= reader.TryBlock(out ReadOnlySpan<byte> end);
        read &= reader.TryVarint(out ulong rangeVersion);
        read &= reader.TryVarint(out ulong configVersion);
        // A replica takes at least two bytes, so a count beyond the rest is a lie.
        read &= reader.TryVarint(out ulong count) && count <= (ulong)reader.Rest.Length;
        if (!read) throw Malformed("it is cut short or holds a number out of bounds");
        var replicas = new ReplicaPlacement[(int)count];
        for (int i = 0; i < replicas.Length; i++)
        {
            if (!reader.TryVarint(out ulong id) || !reader.TryBlock(out ReadOnlySpan<byte> name) || !Utf8.IsValid(name))
                throw Malformed("a replica is cut short or its node's name is no text");
            byte role = 0;
            if (version >= VersionWithRoles && !(reader.TryByte(out role) && role <= (byte)ReplicaRole.Outgoing))
                throw Malformed("a replica has no role, or none that this program knows");
            replicas[i] = new ReplicaPlacement(
                new ReplicaId(id), new NodeName(Encoding.UTF8.GetString(name)), (ReplicaRole)role);
        }
        ulong highest = 0;
        if (version == VersionWithHighest && !reader.TryVarint(out highest)) throw Malformed("it is cut short");
        if (!reader.IsAtEnd) throw Malformed("bytes follow its end");
        if (version == VersionWithRoles && Array.TrueForAll(replicas, replica => replica.Role == ReplicaRole.Voter))
            throw Malformed("it tells roles although all its replicas vote");
        var descriptor = new GroupDescriptor(
            new GroupId((uint)group), start.ToArray(), end.ToArray(), rangeVersion, configVersion, replicas)
        {
            HighestReplica = new ReplicaId(highest),
        };
        return version != VersionWithHighest || descriptor.RemembersHighest()
            ? descriptor
            : throw Malformed("it tells the highest replica although that is there");
    }

    /// <summary>Its replicas as the consensus core sees them.</summary>
    /// <exception cref="InvalidDataException">They cannot be a group's.</exception>
    public Configuration ToConfiguration()
    {
        if (IsUnknown) return Configuration.None;
        bool isJoint = Replicas.Any(replica => replica.Role is ReplicaRole.Incoming or ReplicaRole.Outgoing);
        try
        {
            return Configuration.Create(ConfigVersion, MembersOf(ReplicaRole.Voter, ReplicaRole.Incoming),
                MembersOf(ReplicaRole.Learner, ReplicaRole.Learner),
                isJoint ? MembersOf(ReplicaRole.Voter, ReplicaRole.Outgoing) : [], HighestReplica);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"The replicas of {Group} cannot be a group's: {e.Message}", e);
        }
    }

    /// <summary>The same group with the members of a configuration.</summary>
    public GroupDescriptor With(Configuration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ReplicaPlacement[] replicas =
        [
            .. configuration.Members.Select(member =>
                new ReplicaPlacement(member.Id, member.Node, RoleOf(member, configuration))),
        ];
        return this with
        {
            ConfigVersion = configuration.Version,
            Replicas = replicas,
            HighestReplica = configuration.HighestReplica,
        };
    }

    public bool Equals(GroupDescriptor? other) => other is not null && Group == other.Group
        && RangeVersion == other.RangeVersion && ConfigVersion == other.ConfigVersion
        && Start.AsSpan().SequenceEqual(other.Start) && End.AsSpan().SequenceEqual(other.End)
        && Replicas.SequenceEqual(other.Replicas) && HighestReplica == other.HighestReplica;

    public override int GetHashCode() => HashCode.Combine(Group, RangeVersion, ConfigVersion, Replicas.Count);

    public override string ToString() =>
        $"{Group} [{Convert.ToHexStringLower(Start)}, {Convert.ToHexStringLower(End)}) range {RangeVersion} config "
            + $"{ConfigVersion}";

    private bool RemembersHighest() => Replicas.Count > 0 && !Replicas.Any(replica => replica.Id == HighestReplica);

    private IEnumerable<Member> MembersOf(ReplicaRole one, ReplicaRole other) =>
        from replica in Replicas
        where replica.Role == one || replica.Role == other
        select new Member(replica.Id, replica.Node);

    private static ReplicaRole RoleOf(Member member, Configuration configuration)
    {
        if (configuration.IsLearner(member.Id)) return ReplicaRole.Learner;
        if (!configuration.Voters.Contains(member)) return ReplicaRole.Outgoing;
        return configuration.IsJoint && !configuration.Outgoing.Contains(member)
            ? ReplicaRole.Incoming
            : ReplicaRole.Voter;
    }

    private static InvalidDataException Malformed(string why) => new($"The group descriptor cannot be read: {why}.");
}
