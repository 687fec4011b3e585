namespace Orleans.Raft.Core.Tests;

public sealed class Crc32CTests
{
    [Fact]
    public void Checksum_of_the_standard_vectors()
    {
        Assert.Equal(0u, Crc32C.Compute([]));
        Assert.Equal(0xE3069283u, Crc32C.Compute("123456789"u8));
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute([.. Enumerable.Repeat((byte)0xFF, 32)]));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute([.. Enumerable.Range(0, 32).Select(i => (byte)i)]));
    }

    [Fact]
    public void Checksum_equals_the_bitwise_definition_at_every_length_and_offset()
    {
        var random = new SplitMix64(1);
        byte[] bytes = new byte[20_000];
        for (int i = 0; i < bytes.Length; i++) bytes[i] = (byte)random.Next();
        for (int i = 0; i < 400; i++)
        {
            int start = (int)random.NextBelow(64);
            int length = i < 100 ? i : (int)random.NextBelow((ulong)(bytes.Length - start));
            ReadOnlySpan<byte> part = bytes.AsSpan(start, length);
            Assert.Equal(Bitwise(part), Crc32C.Compute(part));
            int cut = (int)random.NextBelow((ulong)length + 1);
            Assert.Equal(Bitwise(part), Crc32C.Append(Crc32C.Compute(part[..cut]), part[cut..]));
        }
    }

    private static uint Bitwise(ReadOnlySpan<byte> bytes)
    {
        uint crc = ~0u;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78);
        }

        return ~crc;
    }
}
