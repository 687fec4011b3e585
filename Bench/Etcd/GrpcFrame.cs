using System.Buffers.Binary;

namespace Orleans.Raft.Bench;

/// <summary>The five bytes before a gRPC message: whether it is compressed, and its length.</summary>
internal static class GrpcFrame
{
    public const int HeaderBytes = 5;

    /// <summary>A message with its header before it.</summary>
    public static byte[] Wrap(ReadOnlySpan<byte> message)
    {
        byte[] framed = new byte[HeaderBytes + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(1), message.Length);
        message.CopyTo(framed.AsSpan(HeaderBytes));
        return framed;
    }

    /// <summary>The one message that an answer to a unary call consists of.</summary>
    /// <exception cref="InvalidDataException">The bytes are not one whole, uncompressed message.</exception>
    public static ReadOnlySpan<byte> Unwrap(ReadOnlySpan<byte> framed)
    {
        if (framed.Length < HeaderBytes)
            throw new InvalidDataException($"A gRPC answer has {framed.Length} bytes, fewer than its header.");
        if (framed[0] != 0)
            throw new InvalidDataException("A gRPC answer is compressed, though nobody asked for that.");
        uint length = BinaryPrimitives.ReadUInt32BigEndian(framed[1..]);
        if (length != (uint)(framed.Length - HeaderBytes))
            throw new InvalidDataException($"A gRPC answer announces {length} bytes and has "
                + $"{framed.Length - HeaderBytes}.");
        return framed[HeaderBytes..];
    }
}
