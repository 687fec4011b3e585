using System.Buffers.Binary;
using System.Text;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>What nodes tell each other before the cluster exists, in frames of their own.</summary>
internal abstract record FormationMessage(NodeName From, StoreId Store)
{
    private const uint Magic = 0x4d464b52; // "RKFM"
    private const byte Version = 1;
    private const int HeaderBytes = 8;

    public static bool IsFormationFrame(ReadOnlySpan<byte> frame) =>
        frame.Length >= HeaderBytes && BinaryPrimitives.ReadUInt32LittleEndian(frame) == Magic;

    public byte[] Encode()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        writer.Write(Magic);
        writer.Write(0u);
        writer.Write(Version);
        writer.Write((byte)(this switch { FormationHello => 1, FormationDecided => 2, FormationRefused => 3, _ => 0 }));
        writer.Write(From.Value);
        writer.Write(Store.Value.ToByteArray());
        switch (this)
        {
            case FormationHello hello: FormationCodec.WriteBlock(writer, hello.Plan); break;
            case FormationDecided decided: FormationCodec.WriteBlock(writer, decided.Record); break;
            case FormationRefused refused: writer.Write(refused.Reason); break;
            default: throw new InvalidOperationException($"{GetType().Name} has no encoding.");
        }
        writer.Flush();
        byte[] frame = bytes.ToArray();
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), Crc32C.Compute(frame.AsSpan(HeaderBytes)));
        return frame;
    }

    /// <exception cref="FormationException">The frame is damaged or of another version.</exception>
    public static FormationMessage Decode(ReadOnlySpan<byte> frame)
    {
        byte[] body = frame[HeaderBytes..].ToArray();
        if (BinaryPrimitives.ReadUInt32LittleEndian(frame[4..]) != Crc32C.Compute(body))
            throw new FormationException("A formation frame has a bad checksum.");
        return FormationCodec.Guard("formation frame", () => DecodeBody(body));
    }

    private static FormationMessage DecodeBody(byte[] body)
    {
        using BinaryReader reader = FormationCodec.Open(body);
        byte version = reader.ReadByte();
        if (version != Version) throw new InvalidDataException($"version {version} (understood: {Version})");
        byte kind = reader.ReadByte();
        var from = new NodeName(FormationCodec.ReadText(reader));
        var store = new StoreId(FormationCodec.ReadGuid(reader));
        FormationMessage message = kind switch
        {
            1 => new FormationHello(from, store, FormationCodec.ReadBlock(reader)),
            2 => new FormationDecided(from, store, FormationCodec.ReadBlock(reader)),
            3 => new FormationRefused(from, store, FormationCodec.ReadText(reader)),
            _ => throw new InvalidDataException($"unknown kind {kind}"),
        };
        FormationCodec.RequireEnd(reader);
        return message;
    }
}

/// <summary>"I am configured for this plan and have no record yet."</summary>
internal sealed record FormationHello(NodeName From, StoreId Store, byte[] Plan) : FormationMessage(From, Store);

/// <summary>"The cluster is formed; this is its record."</summary>
internal sealed record FormationDecided(NodeName From, StoreId Store, byte[] Record) : FormationMessage(From, Store);

/// <summary>"You cannot be of this cluster, because ..."</summary>
internal sealed record FormationRefused(NodeName From, StoreId Store, string Reason) : FormationMessage(From, Store);
