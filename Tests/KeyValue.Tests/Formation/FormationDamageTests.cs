using System.Buffers.Binary;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue.Tests;

/// <summary>Damage with a right checksum, most of it found by <c>Tests/Fuzz</c>.</summary>
public sealed class FormationDamageTests
{
    private static readonly FormationPlan Plan =
        FormationPlan.Create([new("node-1"), new("node-2")], [[(byte)'m']], new StoreLimits());

    private static readonly FormationRecord Record = new(new ClusterId(new Guid(1, 2, 3, new byte[8])),
        [.. Plan.Nodes.Select(node => new FormationNode(node, default))], Plan.Groups, Plan.Limits);

    [Fact]
    public void Text_that_is_no_UTF8_is_refused_and_not_replaced()
    {
        byte[] frame = Convert.FromHexString("524b464dcce084bd0103066e6f64652d310100000000000000000000000000000014"
            + "63777273786e6d7605121deb7566767671c3a465");
        Assert.Throws<FormationException>(() => FormationMessage.Decode(frame));
    }

    [Theory]
    [InlineData("03000000066e6f64652d31066e6f64652d32066e6f330200000020000000010100")]
    [InlineData("0100000000ffffff07")]
    public void A_length_that_the_rest_cannot_hold_reserves_no_memory(string plan)
    {
        byte[] bytes = Convert.FromHexString(plan);
        Assert.Throws<FormationException>(() => FormationPlan.Decode(bytes));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<FormationException>(() => FormationPlan.Decode(bytes));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
    }

    [Fact]
    public void What_follows_the_end_is_refused()
    {
        Assert.Throws<FormationException>(() => FormationPlan.Decode([.. Plan.Encode(), 0]));
        Assert.Throws<FormationException>(() => FormationRecord.Decode((byte[])[.. Record.Encode(), 0]));
        byte[] frame = [.. new FormationHello(new("node-1"), default, Plan.Encode()).Encode(), 0];
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), Crc32C.Compute(frame.AsSpan(8)));
        Assert.Throws<FormationException>(() => FormationMessage.Decode(frame));
    }

    [Fact]
    public void What_was_written_is_read()
    {
        var name = new NodeName(new string('ä', 200));
        var name2 = new Guid(7, 8, 9, new byte[8]);
        var refused = new FormationRefused(name, default, "€");
        Assert.Equal(refused, FormationMessage.Decode(refused.Encode()));
        Assert.Equal(Plan.Encode(), FormationPlan.Decode(Plan.Encode()).Encode());
        Assert.Equal(Record.Encode(), FormationRecord.Decode(Record.Encode()).Encode());
        FormationRecord grown = Record with { Members = [.. Record.Nodes, new FormationNode(new("node-3"), new(name2))] };
        FormationRecord read = FormationRecord.Decode(grown.Encode());
        Assert.Equal((1, 2), (Record.Encode()[0], grown.Encode()[0]));
        Assert.Equal(grown.Members, read.Members);
        Assert.Null(read.Meta);
        Assert.Equal(Record.Nodes, read.Nodes);
        Assert.Equal(grown.Encode(), read.Encode());
        FormationRecord moved = grown with
        {
            Meta = MetaGroup.FormedBy(Record) with { ConfigVersion = 7, HighestReplica = new ReplicaId(9) },
        };
        read = FormationRecord.Decode(moved.Encode());
        Assert.Equal(moved.Meta, read.Meta);
        Assert.Equal(moved.Members, read.Members);
        Assert.Throws<FormationException>(() => FormationRecord.Decode(
            (moved with { Meta = moved.Groups[0] }).Encode()));
        foreach (FormationRecord kept in new[] { grown, moved })
        {
            FormationRecord joined = kept with { FirstNewGroup = 17 };
            read = FormationRecord.Decode(joined.Encode());
            Assert.Equal((4, 17U), (joined.Encode()[0], read.FirstNewGroup ?? 0));
            Assert.Equal(kept.Meta, read.Meta);
            Assert.Equal(joined.Encode(), read.Encode());
        }
    }
}
