using System.Buffers;
using Xunit;

namespace Orleans.Raft.Bench.Tests;

public sealed class EtcdMessageTests
{
    // Recorded from etcd 3.4.23: the ranges of a key with the value "hello" and of a missing key; a status by a
    // follower and by the leader.
    private const string FoundAnswer =
        "000000002f0a19089ebfecea87d5dbb84010b6f88aeeaaadb3a286011802200212100a01611002180220012a0568656c6c6f2001";
    private const string MissingAnswer = "000000001b0a19089ebfecea87d5dbb84010b6f88aeeaaadb3a2860118022002";
    private const string FollowerStatus =
        "000000003c0a19089ebfecea87d5dbb84010b6f88aeeaaadb3a28601180220021206332e342e3233"
        + "1880a00120efd9cfcaa091d489ae01280d3002380d48808001";
    private const string LeaderStatus =
        "000000003c0a19089ebfecea87d5dbb84010efd9cfcaa091d489ae01180220021206332e342e3233"
        + "1880a00120efd9cfcaa091d489ae01280d3002380d48808001";

    [Fact]
    public void A_put_is_framed_as_gRPC_and_protobuf_prescribe()
    {
        byte[] put = EtcdMessages.Put("key"u8, "value"u8);
        Assert.Equal("00" + "0000000c" + "0a03" + "6b6579" + "1205" + "76616c7565", Convert.ToHexStringLower(put));
    }

    [Fact]
    public void A_long_value_has_a_length_of_two_bytes()
    {
        byte[] put = EtcdMessages.Put("k"u8, new byte[256]);
        Assert.Equal("0000000106" + "0a016b" + "128002", Convert.ToHexStringLower(put.AsSpan(0, 11)));
        Assert.Equal(11 + 256, put.Length);
    }

    [Fact]
    public void A_range_asks_for_one_key_and_is_linearizable() =>
        Assert.Equal("0000000003" + "0a0161", Convert.ToHexStringLower(EtcdMessages.Range("a"u8)));

    [Fact]
    public void The_value_is_found_in_an_answer_of_etcd()
    {
        Assert.True(EtcdMessages.TryReadValue(Convert.FromHexString(FoundAnswer), out ReadOnlySpan<byte> value));
        Assert.Equal("hello"u8, value);
    }

    [Fact]
    public void A_missing_key_has_no_value() =>
        Assert.False(EtcdMessages.TryReadValue(Convert.FromHexString(MissingAnswer), out _));

    [Fact]
    public void Only_the_leader_s_status_says_that_it_leads()
    {
        Assert.Equal((false, "3.4.23"), EtcdMessages.ReadStatus(Convert.FromHexString(FollowerStatus)));
        Assert.Equal((true, "3.4.23"), EtcdMessages.ReadStatus(Convert.FromHexString(LeaderStatus)));
    }

    [Fact]
    public void Every_answer_that_is_cut_short_is_refused()
    {
        byte[] answer = Convert.FromHexString(FoundAnswer);
        for (int length = 0; length < answer.Length; length++)
        {
            byte[] cut = answer[..length];
            Assert.Throws<InvalidDataException>(() => EtcdMessages.TryReadValue(cut, out _));
        }
    }

    [Fact]
    public void A_compressed_answer_is_refused()
    {
        byte[] answer = Convert.FromHexString(FoundAnswer);
        answer[0] = 1;
        Assert.Throws<InvalidDataException>(() => EtcdMessages.TryReadValue(answer, out _));
    }

    [Fact]
    public void A_field_that_reaches_beyond_its_message_is_refused()
    {
        byte[] answer = GrpcFrame.Wrap([0x12, 0x05, 1, 2]);
        Assert.Throws<InvalidDataException>(() => EtcdMessages.TryReadValue(answer, out _));
    }

    [Fact]
    public void A_wire_type_that_is_not_known_is_refused()
    {
        byte[] answer = GrpcFrame.Wrap([0x0b]);
        Assert.Throws<InvalidDataException>(() => EtcdMessages.TryReadValue(answer, out _));
    }

    [Fact]
    public void Numbers_are_read_as_they_were_written()
    {
        const int Seed = 11;
        var random = new Random(Seed);
        for (int round = 0; round < 1000; round++)
        {
            ulong number = (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64);
            var message = new ArrayBufferWriter<byte>();
            ProtobufWriter.WriteVarint(message, 3 << 3);
            ProtobufWriter.WriteVarint(message, number);
            var reader = new ProtobufReader(message.WrittenSpan);
            Assert.True(reader.Next(), $"seed {Seed}, round {round}");
            Assert.Equal((3, number), (reader.Field, reader.Number));
            Assert.False(reader.Next(), $"seed {Seed}, round {round}");
        }
    }

    [Fact]
    public void Fields_that_are_not_needed_are_skipped_whatever_their_type()
    {
        byte[] pair = [0x2a, 1, 7];
        byte[] answer = GrpcFrame.Wrap(
            [0x48, 0x80, 1, 0x51, 1, 2, 3, 4, 5, 6, 7, 8, 0x5d, 1, 2, 3, 4, 0x12, (byte)pair.Length, .. pair]);
        Assert.True(EtcdMessages.TryReadValue(answer, out ReadOnlySpan<byte> value));
        Assert.Equal([7], value.ToArray());
    }
}
