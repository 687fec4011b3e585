using System.Buffers.Binary;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Fuzz;

/// <summary>What nodes and the cluster's controller tell each other.</summary>
internal sealed class ControlFrameTarget : FuzzTarget
{
    private const int ChecksumAt = 4;
    private const int CheckedFrom = 8;

    public override string Name => "control-frame";

    public override bool IsChecksummed => true;

    public override byte[] Generate(FuzzRandom random)
    {
        var address = new FrameHeader(
            new ClusterId(random.Guid()), new StoreId(random.Guid()), new StoreId(random.Guid()));
        return ControlFrame.Encode(address, random.Below(7) switch
        {
            0 or 1 => Report(random),
            2 => AnyOrders(random),
            3 => new MergePart(AnyGroup(random), new MergeChunk(AnyMerge(random), FuzzFormation.Descriptor(random),
                random.Below(int.MaxValue), random.Below(int.MaxValue), (uint)random.Number(), random.Bytes(40))),
            4 => new MergeReply(AnyMerge(random), (MergeReplyStatus)random.Below(4), random.Below(int.MaxValue),
                random.Text(9)),
            5 => new Dismissal([.. Enumerable.Range(0, random.Below(4)).Select(_ => AnyOrder(random))]),
            _ => new Redirect(random.OneIn(2) ? AnyNode(random) : null, FuzzFormation.Descriptor(random)),
        });
    }

    public override byte[] Repair(byte[] input)
    {
        byte[] repaired = [.. input];
        if (repaired.Length >= CheckedFrom)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(
                repaired.AsSpan(ChecksumAt), Crc32C.Compute(repaired.AsSpan(CheckedFrom)));
        }
        return repaired;
    }

    public override Reading Read(byte[] input)
    {
        FrameStatus status = ControlFrame.TryDecode(input, out FrameHeader address, out ControlMessage? message);
        return status == FrameStatus.Ok ? new Reading(true, (address, message!)) : Reading.Refused;
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not (FrameHeader address, ControlMessage message)) return;
        RequireSame(input, ControlFrame.Encode(address, message));
    }

    // A group of few bytes becomes a report with a descriptor and lists of its own.
    public override long AllocationBound(int inputLength) => 8_000 + (80L * inputLength);

    private static NodeReport Report(FuzzRandom random)
    {
        var groups = new GroupReport[random.Below(4)];
        for (int i = 0; i < groups.Length; i++)
        {
            var members = new ModelMember[random.Below(4)];
            for (int k = 0; k < members.Length; k++)
            {
                members[k] = new ModelMember(new ReplicaId(random.Number()), random.OneIn(2),
                    TimeSpan.FromMilliseconds(random.Below(1_000_000)));
            }
            groups[i] = new GroupReport(FuzzFormation.Descriptor(random), new Term(random.Number()),
                random.Below(int.MaxValue), random.Below(int.MaxValue), random.Below(1000) / 8.0,
                random.OneIn(2) ? random.Bytes(9) : null, members)
            {
                Merges = random.OneIn(2) ? default : new MergeMarks(AnyMerge(random), random.OneIn(2), AnyMerge(random),
                    AnyMerge(random)),
            };
        }
        var left = new GroupId[random.Below(3)];
        for (int i = 0; i < left.Length; i++) left[i] = AnyGroup(random);
        ReplicaSighting[] leaderless = random.OneIn(2)
            ? []
            : [new ReplicaSighting(AnyGroup(random), new ReplicaId(random.Number()), random.Number())];
        FormationNode[] joining = random.OneIn(2) ? [] : [new FormationNode(AnyNode(random), new StoreId(random.Guid()))];
        return new NodeReport(random.Number(), random.Number(), new MapRevision(new Term(random.Number()), random.Number()),
            random.Text(6), random.OneIn(2), groups, left, leaderless, joining)
        {
            MergeTroubles = random.OneIn(2) ? [] : [new MergeTrouble(AnyMerge(random), random.Text(9))],
        };
    }

    private static Orders AnyOrders(FuzzRandom random)
    {
        var nodes = new NodeRow[random.Below(3)];
        for (int i = 0; i < nodes.Length; i++)
            nodes[i] = new NodeRow(AnyNode(random), new StoreId(random.Guid()), random.Text(4), (NodeIntent)random.Below(3));
        var groups = new GroupDescriptor[random.Below(3)];
        for (int i = 0; i < groups.Length; i++) groups[i] = FuzzFormation.Descriptor(random);
        var toDo = new Order[random.Below(4)];
        for (int i = 0; i < toDo.Length; i++) toDo[i] = AnyOrder(random);
        return new Orders(new Term(random.Number()), random.Number(), random.Number(), random.Number(), random.Number(),
            nodes, groups, toDo)
        {
            Merged = random.OneIn(2) ? [] : [new MergedGroup(AnyGroup(random), AnyGroup(random))],
        };
    }

    private static Order AnyOrder(FuzzRandom random) => random.Below(9) switch
    {
        0 => new AddLearnerOrder(AnyGroup(random), random.Number(), AnyNode(random)),
        1 => new PromoteOrder(AnyGroup(random), random.Number(), new ReplicaId(random.Number()),
            new ReplicaId(random.Number())),
        2 => new RemoveReplicaOrder(AnyGroup(random), random.Number(), new ReplicaId(random.Number())),
        3 => new TransferOrder(AnyGroup(random), AnyNode(random)),
        4 => new SplitOrder(AnyGroup(random), random.Number(), random.OneIn(2) ? random.Bytes(9) : null,
            AnyGroup(random)),
        5 => new MergeOrder(AnyGroup(random), AnyMerge(random), random.Number(), AnyGroup(random), AnyNode(random)),
        6 => new AbandonOrder(AnyGroup(random), AnyMerge(random)),
        7 => new ThawOrder(AnyGroup(random), AnyMerge(random)),
        _ => new RetireOrder(AnyGroup(random), new ReplicaId(random.Number()), random.Number()),
    };

    private static MergeId AnyMerge(FuzzRandom random) => new(random.Number());

    private static GroupId AnyGroup(FuzzRandom random) => new((uint)random.Number());

    private static NodeName AnyNode(FuzzRandom random) => new("n" + random.Text(6));
}

/// <summary>What administrators ask.</summary>
internal sealed class AdministrationRequestTarget : FuzzTarget
{
    public override string Name => "administration-request";

    public override byte[] Generate(FuzzRandom random)
    {
        var group = new GroupId((uint)random.Number());
        NodeName one = new("n" + random.Text(6)), other = new("n" + random.Text(6));
        AdministrationRequest request = random.Below(12) switch
        {
            0 => new ListGroupsRequest(),
            1 => new ListNodesRequest(),
            2 => new SplitRequest(random.Bytes(12)),
            3 => new GrowGroupsRequest(random.Below(10_000)),
            4 => new MoveReplicaRequest(group, one, other),
            5 => new TransferLeaderRequest(group, one),
            6 => new DrainNodeRequest(one, random.OneIn(2)),
            7 => new RemoveNodeRequest(one),
            8 => new ReplaceNodeRequest(one),
            9 => new SwitchBalanceRequest(random.OneIn(2)),
            10 => new MergeGroupsRequest(group, new GroupId((uint)random.Number())),
            _ => new BalanceStatusRequest(),
        };
        return AdministrationCodec.Encode(request with { IsRepeat = random.OneIn(2) });
    }

    public override Reading Read(byte[] input) =>
        AdministrationCodec.TryDecodeRequest(input, out AdministrationRequest request)
            ? new Reading(true, request)
            : Reading.Refused;

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.IsAccepted) RequireSame(input, AdministrationCodec.Encode((AdministrationRequest)reading.Content!));
    }

    public override long AllocationBound(int inputLength) => 3_000 + (16L * inputLength);
}
