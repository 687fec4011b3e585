using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>How a node sends what a frozen group has: one chunk at a time, again when nothing comes back.</summary>
public sealed class MergeCourierTests : IMergeNode
{
    private static readonly GroupDescriptor Source = new(new GroupId(1), [], [], 3, 4, []);
    private static readonly MergeOrder Order = new(Source.Group, 7, 3, new GroupId(2), new("node-2"));

    private readonly MergeCourier _courier;
    private readonly List<(NodeName To, MergeChunk Chunk)> _sent = [];
    private MergeCut _cut = new(Source, new byte[MergeChunk.MaxBytes * 2 + 10], null);
    private TaskCompletionSource<MergeCut>? _slow;
    private int _cuts;

    public MergeCourierTests() => _courier = new MergeCourier(this);

    public TimeSpan Now { get; private set; }

    [Fact]
    public void Chunks_go_one_at_a_time_and_what_they_are_of_is_told_with_each()
    {
        byte[] content = _cut.Content.ToArray();
        new Random(1).NextBytes(content);
        _cut = _cut with { Content = content };
        Obey();
        Assert.Single(_sent);
        Reply(MergeReplyStatus.Wanted, 1);
        Reply(MergeReplyStatus.Wanted, 2);
        Assert.Equal([0u, 1u, 2u], _sent.Select(s => s.Chunk.Number));
        Assert.All(_sent, s => Assert.Equal((7ul, Source, 3u, (uint)content.Length, Crc32C.Compute(content)),
            (s.Chunk.Merge, s.Chunk.Source, s.Chunk.Count, s.Chunk.TotalBytes, s.Chunk.Checksum)));
        Assert.Equal(content, _sent.SelectMany(s => s.Chunk.Bytes.ToArray()));
        Assert.Equal(content.Length, _courier.HeldBytes);
        Reply(MergeReplyStatus.Over);
        Assert.Equal(0, _courier.HeldBytes);
        Assert.Equal(3, _sent.Count);
    }

    [Fact]
    public void What_got_lost_is_sent_again_with_the_next_order_and_to_whoever_leads_then()
    {
        Obey();
        Reply(MergeReplyStatus.Wanted, 1);
        // Something came back since the last order: the chunk is still on its way.
        Obey();
        Assert.Equal(2, _sent.Count);
        Obey(Order with { TargetNode = new("node-3") });
        Assert.Equal([("node-2", 0u), ("node-2", 1u), ("node-3", 1u)],
            _sent.Select(s => (s.To.Value, s.Chunk.Number)));
        Reply(MergeReplyStatus.Elsewhere);
        Obey();
        Assert.Equal(4, _sent.Count);
        Assert.Equal(1, _cuts);
    }

    [Fact]
    public void One_content_is_held_at_a_time_and_one_that_nobody_wants_any_more_is_dropped()
    {
        Obey();
        Assert.Contains("merge 7 is under way", Obey(Order with { Merge = 8 }));
        Assert.Equal(1, _cuts);
        Now += Seconds(10);
        _courier.Tick(Now);
        Assert.Equal(0, _courier.HeldBytes);
        Obey(Order with { Merge = 8 });
        Assert.Equal(2, _cuts);
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
        _cut = new MergeCut(null, default, "it is too large");
        Obey();
        Obey(Order with { Merge = 8 });
        _cut = new MergeCut(Source, new byte[1], null);
        Obey(Order with { Merge = 9 });
        _courier.Receive(new MergeReply(9, Source.Group, MergeReplyStatus.Refused, 0, "it is no neighbour"));
        Assert.Equal([new MergeTrouble(7, "it is too large"), new MergeTrouble(8, "it is too large"),
            new MergeTrouble(9, "it is no neighbour")], _courier.Troubles);
        Assert.Equal(0, _courier.HeldBytes);
        // Not frozen yet, as the next order may find it.
        _cut = default;
        Obey(Order with { Merge = 10 });
        Assert.Equal(3, _courier.Troubles.Count);
        Now += Seconds(60);
        _courier.Tick(Now);
        Assert.Empty(_courier.Troubles);
    }

    [Fact]
    public void An_empty_group_is_one_empty_chunk()
    {
        _cut = new MergeCut(Source, default, null);
        Obey();
        MergeChunk chunk = Assert.Single(_sent).Chunk;
        Assert.Equal((0u, 1u, 0u, 0), (chunk.Number, chunk.Count, chunk.TotalBytes, chunk.Bytes.Length));
    }

    Task<MergeCut> IMergeNode.CutAsync(MergeOrder order)
    {
        _cuts++;
        return _slow?.Task ?? Task.FromResult(_cut);
    }

    void IMergeNode.Send(NodeName to, ControlMessage message) => _sent.Add((to, (MergeChunk)message));

    private string Obey(MergeOrder? order = null) => _courier.ObeyAsync(order ?? Order).GetAwaiter().GetResult();

    private void Reply(MergeReplyStatus status, uint next = 0) =>
        _courier.Receive(new MergeReply(7, Source.Group, status, next, ""));
}
