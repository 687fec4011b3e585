using System.Buffers;

namespace Orleans.Raft.Bench;

/// <summary>
/// The few messages of etcd's v3 API that are needed, framed for gRPC. Field numbers are those of etcd's
/// <c>rpc.proto</c> and <c>kv.proto</c>.
/// </summary>
internal static class EtcdMessages
{
    /// <summary><c>PutRequest</c>: key = 1, value = 2.</summary>
    public static byte[] Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        var message = new ArrayBufferWriter<byte>(key.Length + value.Length + 16);
        ProtobufWriter.WriteBytes(message, 1, key);
        ProtobufWriter.WriteBytes(message, 2, value);
        return GrpcFrame.Wrap(message.WrittenSpan);
    }

    /// <summary><c>RangeRequest</c>: key = 1. One key, linearizable: etcd reads by ReadIndex unless <c>serializable</c>
    /// is set.</summary>
    public static byte[] Range(ReadOnlySpan<byte> key)
    {
        var message = new ArrayBufferWriter<byte>(key.Length + 8);
        ProtobufWriter.WriteBytes(message, 1, key);
        return GrpcFrame.Wrap(message.WrittenSpan);
    }

    /// <summary>The value in a framed <c>RangeResponse</c> (kvs = 2, each with value = 5); false if there is no
    /// key.</summary>
    public static bool TryReadValue(ReadOnlySpan<byte> framed, out ReadOnlySpan<byte> value)
    {
        value = default;
        var response = new ProtobufReader(GrpcFrame.Unwrap(framed));
        while (response.Next())
        {
            if (response.Field != 2) continue;
            var pair = new ProtobufReader(response.Bytes);
            while (pair.Next())
            {
                if (pair.Field == 5) value = pair.Bytes;
            }
            return true;
        }
        return false;
    }

    /// <summary>Whether a framed <c>StatusResponse</c> (header = 1 with member_id = 2; version = 2; leader = 4) is the
    /// leader's own.</summary>
    public static (bool IsLeader, string Version) ReadStatus(ReadOnlySpan<byte> framed)
    {
        ulong member = 0;
        ulong leader = 0;
        string version = "";
        var response = new ProtobufReader(GrpcFrame.Unwrap(framed));
        while (response.Next())
        {
            switch (response.Field)
            {
                case 1: member = ReadMember(response.Bytes); break;
                case 2: version = System.Text.Encoding.UTF8.GetString(response.Bytes); break;
                case 4: leader = response.Number; break;
                default: break;
            }
        }
        return (leader != 0 && leader == member, version);
    }

    private static ulong ReadMember(ReadOnlySpan<byte> header)
    {
        var reader = new ProtobufReader(header);
        while (reader.Next())
        {
            if (reader.Field == 2) return reader.Number;
        }
        return 0;
    }
}
