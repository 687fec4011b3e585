using System.Text;
using System.Text.Unicode;

namespace Orleans.Raft.Core;

/// <summary>
/// The bytes of a configuration: format version u8, then varints: its version; of voters, outgoing and learners each a
/// count, then per member its id and the length of its node's name, which follows as UTF-8. In version 2 the highest
/// replica id follows; it is written where no member has that id. Stored in logs: what was written once stays readable.
/// </summary>
internal static class ConfigurationCodec
{
    private const byte FormatVersion = 1;
    private const byte VersionWithHighest = 2;

    // An id, a length and a letter.
    private const int MemberBytesMin = 3;

    public static byte[] Encode(Configuration configuration)
    {
        var bytes = new List<byte> { configuration.RemembersHighest ? VersionWithHighest : FormatVersion };
        WriteVarint(bytes, configuration.Version);
        foreach (IReadOnlyList<Member> list in
            new[] { configuration.Voters, configuration.Outgoing, configuration.Learners })
        {
            WriteVarint(bytes, (ulong)list.Count);
            foreach (Member member in list)
            {
                byte[] name = Encoding.UTF8.GetBytes(member.Node.Value);
                WriteVarint(bytes, member.Id.Value);
                WriteVarint(bytes, (ulong)name.Length);
                bytes.AddRange(name);
            }
        }

        if (configuration.RemembersHighest) WriteVarint(bytes, configuration.HighestReplica.Value);
        return [.. bytes];
    }

    /// <summary>Reads the lists as they stand; whether they are a configuration is not looked at.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out ulong version, out Member[][] lists, out ReplicaId highest)
    {
        lists = [[], [], []];
        highest = ReplicaId.None;
        var reader = new ByteReader(bytes);
        byte format = reader.ReadByte();
        bool isKnown = format is FormatVersion or VersionWithHighest;
        version = reader.ReadVarint();
        for (int list = 0; isKnown && list < lists.Length; list++)
        {
            if (!TryReadMembers(ref reader, out lists[list])) return false;
        }

        if (isKnown && format == VersionWithHighest)
        {
            highest = new ReplicaId(reader.ReadVarint());
            isKnown = !highest.IsNone;
        }

        return isKnown && reader.IsSound && reader.Remaining == 0;
    }

    private static bool TryReadMembers(ref ByteReader reader, out Member[] members)
    {
        ulong count = reader.ReadVarint();
        members = [];
        // A count that the rest cannot hold must not reserve memory.
        if (!reader.IsSound || count > (ulong)(reader.Remaining / MemberBytesMin)) return false;
        members = new Member[count];
        for (int i = 0; i < members.Length; i++)
        {
            var id = new ReplicaId(reader.ReadVarint());
            ReadOnlySpan<byte> name = reader.ReadBytes();
            if (!reader.IsSound || !Utf8.IsValid(name)) return false;
            members[i] = new Member(id, new NodeName(Encoding.UTF8.GetString(name)));
        }

        return true;
    }

    private static void WriteVarint(List<byte> bytes, ulong value)
    {
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
    }
}
