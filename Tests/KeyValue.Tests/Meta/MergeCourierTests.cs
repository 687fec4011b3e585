using Orleans.Raft.Core;
using Orleans.Raft.KeyValue.Tests.State;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>How a node sends what a frozen group has: one chunk at a time, again when nothing comes back.</summary>
public sealed class MergeCourierTests : IMergeNode
{
    private static readonly MergeOrder Order =
        new(new GroupId(1), new MergeId(7), 3, new GroupId(2), new("node-2"));

    private readonly MergeCourier _courier;
    private readonly List<(NodeName To, MergePart Part)> _sent = [];
    private MergeCut _cut = new(Content(keys: 2000), null);
    private TaskCompletionSource<MergeCut>? _slow;
    private int _cuts;

    public MergeCourierTests() => _courier = new MergeCourier(this);

    public TimeSpan Now { get; private set; }

    [Fact]
    public void Parts_go_one_at_a_time_and_what_they_are_of_is_told_with_each()
    {
        MergeContent content = _cut.Content!;
        Assert.InRange(content.Bytes.Length, 2 * MergeContent.MaxChunkBytes, 3 * MergeContent.MaxChunkBytes);
        Obey();
        Assert.Single(_sent);
        Reply(MergeReplyStatus.Wanted, MergeContent.MaxChunkBytes);
        Reply(MergeReplyStatus.Wanted, 2 * MergeContent.MaxChunkBytes);
        Assert.All(_sent, s => Assert.Equal((new NodeName("node-2"), new GroupId(2), new MergeId(7), content.Checksum),
            (s.To, s.Part.Target, s.Part.Chunk.Merge, s.Part.Chunk.Checksum)));
        Assert.Equal(content.Bytes.ToArray(), _sent.SelectMany(s => s.Part.Chunk.Data.ToArray()));
        Assert.Equal(content.Bytes.Length, _courier.HeldBytes);
        // It has everything, and has not said what became of it.
        Reply(MergeReplyStatus.Wanted, content.Bytes.Length);
        Assert.Equal(3, _sent.Count);
        Reply(MergeReplyStatus.Over);
        Assert.Equal(0, _courier.HeldBytes);
        Assert.Equal(3, _sent.Count);
    }

    [Fact]
    public void What_got_lost_is_sent_again_with_the_next_order_and_to_whoever_leads_then()
    {
        Obey();
        Reply(MergeReplyStatus.Wanted, 1000);
        // Something came back since the last order: the part is still on its way.
        Obey();
        Assert.Equal(2, _sent.Count);
        Obey(Order with { TargetNode = new("node-3") });
        Assert.Equal([("node-2", 0L), ("node-2", 1000L), ("node-3", 1000L)],
            _sent.Select(s => (s.To.Value, s.Part.Chunk.OffsetBytes)));
        Reply(MergeReplyStatus.Elsewhere);
        Obey();
        Assert.Equal(4, _sent.Count);
        Assert.Equal(1, _cuts);
    }

    [Fact]
    public void One_content_is_held_at_a_time_and_one_that_nobody_wants_any_more_is_dropped()
    {
        Obey();
        // Merges run one after the other: a late order of an older one is none to follow.
        Assert.Contains("m7 is under way", Obey(Order with { Merge = new MergeId(6) }));
        Assert.Equal(1, _cuts);
        Now += Seconds(10);
        _courier.Tick(Now);
        Assert.Equal(0, _courier.HeldBytes);
        Obey();
        Obey(Order with { Merge = new MergeId(8) });
        Assert.Equal(3, _cuts);
        // Late word of the one before.
        Reply(MergeReplyStatus.Over);
        Assert.True(_courier.HeldBytes > 0);
    }

    [Fact]
    public void While_a_content_is_cut_no_other_is()
    {
        _slow = new TaskCompletionSource<MergeCut>();
        Task<string> first = _courier.ObeyAsync(Order);
        Assert.Contains("being cut", Obey());
        Assert.Equal(1, _cuts);
        _slow.SetResult(_cut);
        Assert.True(first.IsCompletedSuccessfully);
        Assert.Single(_sent);
    }

    [Fact]
    public void That_a_merge_cannot_be_is_told_for_a_while()
    {
        _cut = new MergeCut(null, "it is too large");
        Obey();
        Obey(Order with { Merge = new MergeId(8) });
        _cut = new MergeCut(Content(keys: 1), null);
        Obey(Order with { Merge = new MergeId(9) });
        _courier.Receive(new MergeReply(new MergeId(9), MergeReplyStatus.Refused, 0, "it is no neighbour"));
        Assert.Equal([new MergeTrouble(new MergeId(7), "it is too large"), new MergeTrouble(new MergeId(8), "it is too large"),
            new MergeTrouble(new MergeId(9), "it is no neighbour")], _courier.Troubles);
        Assert.Equal(0, _courier.HeldBytes);
        // Not frozen yet, as the next order may find it.
        _cut = default;
        Obey(Order with { Merge = new MergeId(10) });
        Assert.Equal(3, _courier.Troubles.Count);
        Now += Seconds(60);
        _courier.Tick(Now);
        Assert.Empty(_courier.Troubles);
    }

    int IMergeNode.MostChunkBytes => MergeContent.MaxChunkBytes;

    Task<MergeCut> IMergeNode.CutAsync(MergeOrder order)
    {
        _cuts++;
        return _slow?.Task ?? Task.FromResult(_cut);
    }

    void IMergeNode.Send(NodeName to, ControlMessage message) => _sent.Add((to, (MergePart)message));

    private string Obey(MergeOrder? order = null) => _courier.ObeyAsync(order ?? Order).GetAwaiter().GetResult();

    private void Reply(MergeReplyStatus status, long next = 0) =>
        _courier.Receive(new MergeReply(new MergeId(7), status, next, ""));

    private static MergeContent Content(int keys)
    {
        var group = new TestGroup();
        SessionId session = group.Open();
        for (int i = 1; i <= keys; i++)
            group.Write(session, (ulong)i, (ulong)i, Operation.Put(ColumnFamily.Default, Bytes.Of($"k{i}"), new byte[600]));
        return MergeContent.Of(new MergeId(7), group.State.Snapshot());
    }
}
