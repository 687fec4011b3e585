using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue.Tests.Meta;

public sealed class ControlFrameTests
{
    private static readonly FrameHeader Address = new(new ClusterId(new Guid(1, 2, 3, new byte[8])),
        new StoreId(new Guid(4, 5, 6, new byte[8])), new StoreId(new Guid(7, 8, 9, new byte[8])));

    public static TheoryData<string> Kinds() => [.. Messages.Keys];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_was_written_is_read(string kind)
    {
        byte[] frame = ControlFrame.Encode(Address, Messages[kind]);
        Assert.True(ControlFrame.IsControlFrame(frame));
        Assert.Equal(FrameStatus.Ok, ControlFrame.TryDecode(frame, out FrameHeader address, out ControlMessage? read));
        Assert.Equal(Address, address);
        Assert.IsType(Messages[kind].GetType(), read);
        Assert.Equal(frame, ControlFrame.Encode(address, read!));
    }

    [Fact]
    public void Every_field_of_every_message_is_carried()
    {
        byte[] frame = ControlFrame.Encode(Address, Messages["orders"]);
        ControlFrame.TryDecode(frame, out _, out ControlMessage? read);
        var orders = (Orders)read!;
        Assert.Equal(((Orders)Messages["orders"]).Nodes, orders.Nodes);
        Assert.Equal(((Orders)Messages["orders"]).Groups, orders.Groups);
        Assert.Equal(((Orders)Messages["orders"]).ToDo.Where(o => o is not SplitOrder),
            orders.ToDo.Where(o => o is not SplitOrder));
        Assert.Equal(["6b", null], orders.ToDo.OfType<SplitOrder>()
            .Select(o => o.Key is null ? null : Convert.ToHexStringLower(o.Key)));
        ControlFrame.TryDecode(ControlFrame.Encode(Address, Messages["report"]), out _, out read);
        var report = (NodeReport)read!;
        GroupReport group = report.Groups[0];
        Assert.Equal((7UL, 8UL, new MapRevision(new Term(3), 9), "zone-a", true),
            (report.Boot, report.Number, report.Map, report.Zone, report.IsFull));
        Assert.Equal((new Term(5), 1000L, 10L, 12.5), (group.Term, group.Bytes, group.Keys, group.OperationsPerSecond));
        Assert.Equal([1, 2], group.LoadSplitKey);
        Assert.Equal([new ModelMember(new ReplicaId(2), true, TimeSpan.FromMilliseconds(30))], group.Members);
        Assert.Equal([new GroupId(9)], report.Left);
        Assert.Equal([new ReplicaSighting(new GroupId(4), new ReplicaId(6), 8)], report.Leaderless);
        Assert.Equal(((NodeReport)Messages["report"]).Joining, report.Joining);
        Assert.Equal(new MergeMarks(new(3), true, new(4), new(5)), group.Merges);
        Assert.Equal([new MergeTrouble(new(9), "too large")], report.MergeTroubles);
        Assert.Equal([new MergedGroup(new GroupId(8), new GroupId(2))], orders.Merged);
        ControlFrame.TryDecode(ControlFrame.Encode(Address, Messages["part"]), out _, out read);
        MergeChunk chunk = ((MergePart)read!).Chunk;
        Assert.Equal(new GroupId(4), ((MergePart)read).Target);
        Assert.Equal((new MergeId(7), Group(3), 1L, 5L, 6u),
            (chunk.Merge, chunk.Source, chunk.OffsetBytes, chunk.TotalBytes, chunk.Checksum));
        Assert.Equal([1, 2, 3], chunk.Data.ToArray());
        ControlFrame.TryDecode(ControlFrame.Encode(Address, Messages["reply"]), out _, out read);
        Assert.Equal(Messages["reply"], read);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_flipped_bit_is_noticed(string kind)
    {
        byte[] frame = ControlFrame.Encode(Address, Messages[kind]);
        for (int bit = 0; bit < frame.Length * 8; bit++)
        {
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(FrameStatus.Ok, ControlFrame.TryDecode(frame, out _, out ControlMessage? message));
            Assert.Null(message);
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_frame_that_is_cut_short_or_followed_by_more_is_refused(string kind)
    {
        byte[] frame = ControlFrame.Encode(Address, Messages[kind]);
        for (int length = 0; length < frame.Length; length++)
            Assert.NotEqual(FrameStatus.Ok, ControlFrame.TryDecode(Repaired(frame[..length]), out _, out _));
        Assert.Equal(FrameStatus.Malformed, ControlFrame.TryDecode(Repaired([.. frame, 0]), out _, out _));
    }

    [Fact]
    public void A_chunk_that_is_larger_than_chunks_may_be_is_refused()
    {
        var part = (MergePart)Messages["part"];
        foreach ((int bytes, FrameStatus status) in new[] { (0, FrameStatus.Ok), (1, FrameStatus.Malformed) })
        {
            MergeChunk chunk = part.Chunk with { Data = new byte[MergeContent.MaxChunkBytes + bytes] };
            byte[] frame = ControlFrame.Encode(Address, part with { Chunk = chunk });
            Assert.Equal(status, ControlFrame.TryDecode(frame, out _, out _));
        }
    }

    [Fact]
    public void A_newer_version_and_an_unknown_kind_are_told_apart()
    {
        byte[] frame = ControlFrame.Encode(Address, Messages["redirect"]);
        frame[8]++;
        Assert.Equal(FrameStatus.UnknownVersion, ControlFrame.TryDecode(Repaired(frame), out _, out _));
        frame[8]--;
        frame[8 + 1 + 48] = 99;
        Assert.Equal(FrameStatus.UnknownType, ControlFrame.TryDecode(Repaired(frame), out _, out _));
    }

    [Fact]
    public void A_count_that_the_rest_cannot_hold_reserves_no_memory()
    {
        byte[] frame = ControlFrame.Encode(Address, new NodeReport(0, 0, default, "", false, [], [], [], []));
        // The number of groups is followed by four empty lists.
        frame = Repaired([.. frame[..^5], 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.NotEqual(FrameStatus.Ok, ControlFrame.TryDecode(frame, out _, out _));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000);
    }

    [Fact]
    public void Administrators_requests_and_answers_are_read_as_they_were_written()
    {
        AdministrationRequest[] requests =
        [
            new ListGroupsRequest(), new ListNodesRequest(), new BalanceStatusRequest(),
            new SplitRequest(new byte[] { 1, 2 }) { IsRepeat = true }, new GrowGroupsRequest(16),
            new MoveReplicaRequest(new GroupId(3), new("a"), new("b")),
            new TransferLeaderRequest(new GroupId(4), new("c")), new DrainNodeRequest(new("d")),
            new DrainNodeRequest(new("d"), Undo: true), new RemoveNodeRequest(new("e")),
            new ReplaceNodeRequest(new("f")) { IsRepeat = true }, new SwitchBalanceRequest(On: true),
            new MergeGroupsRequest(new GroupId(5), new GroupId(6)) { IsRepeat = true },
        ];
        foreach (AdministrationRequest request in requests)
        {
            byte[] bytes = AdministrationCodec.Encode(request);
            Assert.True(AdministrationCodec.TryDecodeRequest(bytes, out AdministrationRequest read));
            Assert.Equal(request, read);
            Assert.False(AdministrationCodec.TryDecodeRequest(bytes.AsSpan(..^1), out _));
            Assert.False(AdministrationCodec.TryDecodeRequest([.. bytes, 0], out _));
        }
        var answer = new AdministrationAnswer(AdministrationStatus.UnderWay, "2 left")
        {
            Groups = [new GroupOverview(Group(5), 10, 2, new NodeName("a"), 0.5, "moves"),
                new GroupOverview(Group(6), 0, 0, null, 0, null)],
            Nodes = [new NodeOverview(new("a"), "z", NodeState.Draining, 3, 1, 99)],
            Balance = new BalanceOverview(true, ["one"], ["two", "three"]),
        };
        byte[] answerBytes = AdministrationCodec.Encode(answer);
        Assert.True(AdministrationCodec.TryDecodeAnswer(answerBytes, out AdministrationAnswer readAnswer));
        Assert.Equal(answer.Groups, readAnswer.Groups);
        Assert.Equal(answer.Nodes, readAnswer.Nodes);
        Assert.Equal(["two", "three"], readAnswer.Balance!.Recent);
        Assert.Equal((answer.Status, answer.Text), (readAnswer.Status, readAnswer.Text));
        for (int length = 0; length < answerBytes.Length; length++)
            Assert.False(AdministrationCodec.TryDecodeAnswer(answerBytes.AsSpan(..length), out _));
    }

    [Fact]
    public void Rows_are_read_as_they_were_written_and_one_of_a_newer_version_is_refused()
    {
        var node =
            new NodeRow(new("node-1"), new StoreId(new Guid(4, 5, 6, new byte[8])), "zone-a", NodeIntent.Draining);
        var move = new PlannedMove(new NodeName("node-1"), new NodeName("node-4"), IsAsked: true, "asked");
        var lone = new PlannedMove(null, new NodeName("node-5"), IsAsked: false, "it has 2 of 3");
        var merge = new PlannedMerge(new(33), new GroupId(17), new GroupId(18), 9, IsAsked: true, "asked",
            MergePhase.Abandoning, "late");
        WriteOperation[] rows =
        [
            MetaRows.Put(node), MetaRows.Put(Group(17)), MetaRows.Put(new GroupId(17), move),
            MetaRows.Put(new GroupId(0xabcdef01), lone), MetaRows.PutNextGroup(18), MetaRows.PutBalance(isOn: false),
            MetaRows.Put(merge), MetaRows.Put(new MergedGroup(new GroupId(5), new GroupId(6))), MetaRows.PutNextMerge(34),
        ];
        var state = new MetaState();
        foreach (WriteOperation row in rows) MetaRows.Load(state, row.Key.Span, row.Value!.Value.Span);
        Assert.Equal(node, state.Nodes[node.Name]);
        Assert.Equal(Group(17), state.Groups[new GroupId(17)]);
        Assert.Equal(move, state.Moves[new GroupId(17)]);
        Assert.Equal(lone, state.Moves[new GroupId(0xabcdef01)]);
        Assert.Equal((18u, false), (state.NextGroup, state.IsBalanceOn));
        Assert.Equal((merge, 34ul), (state.Merges[new(33)], state.NextMerge));
        Assert.Equal(new GroupId(6), state.Merged[new GroupId(5)]);
        Assert.Equal(MetaRows.Put(merge).Key.ToArray(), MetaRows.DeleteMerge(new(33)).Key.ToArray());
        foreach (WriteOperation row in rows)
        {
            byte[] newer = row.Value!.Value.ToArray();
            newer[0]++;
            Assert.Throws<InvalidDataException>(() => MetaRows.Load(new MetaState(), row.Key.Span, newer));
            Assert.Throws<InvalidDataException>(
                () => MetaRows.Load(new MetaState(), row.Key.Span, row.Value.Value.Span[..^1]));
        }
        Assert.Equal(MetaRows.Put(new GroupId(17), move).Key.ToArray(),
            MetaRows.DeleteMove(new GroupId(17)).Key.ToArray());
    }

    private static readonly Dictionary<string, ControlMessage> Messages = new()
    {
        ["report"] = new NodeReport(7, 8, new MapRevision(new Term(3), 9), "zone-a", IsFull: true,
        [
            new GroupReport(Group(2), new Term(5), 1000, 10, 12.5, [1, 2],
                [new ModelMember(new ReplicaId(2), true, TimeSpan.FromMilliseconds(30))])
            {
                Merges = new MergeMarks(new(3), HasTaken: true, new(4), new(5)),
            },
            new GroupReport(Group(3), new Term(6), 0, 0, 0, null, []),
        ], [new GroupId(9)], [new ReplicaSighting(new GroupId(4), new ReplicaId(6), 8)],
            [new FormationNode(new("node-9"), new StoreId(new Guid(9, 9, 9, new byte[8])))])
        {
            MergeTroubles = [new MergeTrouble(new(9), "too large")],
        },
        ["dismissal"] = new Dismissal([new RetireOrder(new GroupId(3), new ReplicaId(4), 5)]),
        ["orders"] = new Orders(new Term(4), 7, 8, 9, 10,
            [new NodeRow(new("node-1"), new StoreId(new Guid(4, 5, 6, new byte[8])), "", NodeIntent.Member)],
            [Group(0), Group(2)],
            [
                new AddLearnerOrder(new GroupId(1), 2, new("node-4")),
                new PromoteOrder(new GroupId(2), 3, new ReplicaId(4), new ReplicaId(1)),
                new RemoveReplicaOrder(new GroupId(3), 4, new ReplicaId(5)),
                new TransferOrder(new GroupId(4), new("node-2")),
                new SplitOrder(new GroupId(5), 6, [(byte)'k'], new GroupId(7)),
                new SplitOrder(new GroupId(6), 6, null, new GroupId(8)),
                new RetireOrder(new GroupId(7), new ReplicaId(2), 9),
                new MergeOrder(new GroupId(8), new(11), 12, new GroupId(9), new("node-3")),
                new AbandonOrder(new GroupId(9), new(11)),
                new ThawOrder(new GroupId(8), new(11)),
            ])
        {
            Merged = [new MergedGroup(new GroupId(8), new GroupId(2))],
        },
        ["part"] = new MergePart(new GroupId(4), new MergeChunk(new(7), Group(3), 1, 5, 6, new byte[] { 1, 2, 3 })),
        ["reply"] = new MergeReply(new(7), MergeReplyStatus.Refused, 2, "it is too large"),
        ["redirect"] = new Redirect(new NodeName("node-2"), Group(0)),
        ["redirect nowhere"] = new Redirect(null, Group(0)),
    };

    private static GroupDescriptor Group(uint id) => new(new GroupId(id), [1], [2, 3], 4, 5,
        [new ReplicaPlacement(new ReplicaId(1), new("node-1")), new ReplicaPlacement(new ReplicaId(2), new("node-2"))]);

    private static byte[] Repaired(byte[] frame)
    {
        if (frame.Length >= 8)
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(
                frame.AsSpan(4), Crc32C.Compute(frame.AsSpan(8)));
        return frame;
    }
}
