using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

/// <summary>A group gives the upper part of its range to a new one.</summary>
public sealed class SplitTests
{
    private static readonly GroupId Child = new(8);
    private static readonly ReplicaId[] ChildReplicas = [new(11), new(12)];
    private static readonly byte[] AppendX = Operation.Append(ColumnFamily.Default, "k"u8, "x"u8);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Both_halves_together_hold_what_the_group_held_and_go_on_each_for_itself(int seed)
    {
        var random = new Random(seed);
        var model = new StateModel();
        var parent = new TestGroup();
        for (int i = 0; i < 4; i++) parent.Open(60_000);
        model.Change(parent, random, 500);
        Assert.Equal(model.Bytes, parent.State.KeyValueBytes);
        for (int round = 0; round < 6; round++)
        {
            byte[] key = Bytes.RandomKey(random);
            ulong version = parent.State.Descriptor.RangeVersion + 1;
            byte[] end = parent.State.Descriptor.End;
            if (Split(parent, key).Status != AnswerStatus.Ok) continue;
            GroupStateSnapshot born = parent.Child!;
            var child = new TestGroup(GroupState.From(born, default));
            Assert.Equal(new GroupDescriptor(NextTo(parent), key, end, version, 1,
            [
                new ReplicaPlacement(ChildReplicas[0], new NodeName("node-1")),
                new ReplicaPlacement(ChildReplicas[1], new NodeName("nœud-2")),
            ]), child.State.Descriptor);
            Assert.Equal(parent.State.Descriptor with { End = key, RangeVersion = version }, parent.State.Descriptor);
            Assert.Equal((default, parent.State.GroupTimeMilliseconds),
                (child.State.LastApplied, child.State.GroupTimeMilliseconds));
            StateModel upper = model.CutFrom(key);
            uint before = born.Digest();
            for (int turn = 0; turn < 3; turn++)
            {
                model.Require(parent);
                upper.Require(child);
                model.Change(parent, random, 200);
                upper.Change(child, random, 200);
            }
            Assert.Equal(before, born.Digest());
            (parent, model) = random.Next(2) == 0 ? (child, upper) : (parent, model);
        }
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    public void Replicas_that_applied_the_same_entries_have_the_same_halves_also_if_one_began_with_a_snapshot(int seed)
    {
        var random = new Random(seed);
        var model = new StateModel();
        var first = new TestGroup();
        first.Open(60_000);
        model.Change(first, random, 300);
        var second = new TestGroup(SnapshotTests.Copy(first.State.Snapshot()));
        var replay = new List<byte[]>();
        for (int i = 0; i < 200; i++) replay.Add(StateModel.RandomBatch(first, random, 400));
        foreach (byte[] batch in replay) Assert.Equal(first.Apply(batch), second.Apply(batch));
        byte[] key = first.State.MiddleKey()!;
        Assert.Equal(key, second.State.MiddleKey());
        Assert.Equal(AnswerStatus.Ok, Split(first, key).Status);
        Assert.Equal(AnswerStatus.Ok, Split(second, key).Status);
        RequireSame(first.State, second.State);
        Assert.Equal(first.Child!.Digest(), second.Child!.Digest());
        // So has a child that began with its base, and one that got a snapshot of it.
        var child = new TestGroup(GroupState.From(first.Child, default));
        var copy = new TestGroup(SnapshotTests.Copy(second.Child));
        for (int i = 0; i < 200; i++)
        {
            byte[] batch = StateModel.RandomBatch(first, random, 700);
            Assert.Equal(first.Apply(batch), second.Apply(batch));
            Assert.Equal(child.Apply(batch), copy.Apply(batch));
        }
        RequireSame(first.State, second.State);
        RequireSame(child.State, copy.State);

        static void RequireSame(GroupState one, GroupState other)
        {
            Assert.Equal(one.Snapshot().Digest(), other.Snapshot().Digest());
            Assert.Equal(one.KeyValueBytes, other.KeyValueBytes);
        }
    }

    [Theory]
    [InlineData("c")]
    [InlineData("p")]
    public void A_write_applied_before_the_split_is_answered_on_both_sides_and_applied_on_neither(string at)
    {
        var parent = new TestGroup();
        SessionId session = parent.Open();
        byte[] compare = Operation.CompareAndSet(ColumnFamily.Default, "k"u8, "no"u8.ToArray(), null);
        Assert.Equal(AnswerStatus.Ok, parent.Write(session, 1, 1, AppendX).Status);
        Assert.Equal("x", parent.Write(session, 2, 1, compare).Value);
        Assert.Equal(AnswerStatus.Ok, Split(parent, Bytes.Of(at)).Status);
        var child = new TestGroup(GroupState.From(parent.Child!, default));
        foreach (TestGroup side in new[] { parent, child })
        {
            Assert.Equal(AnswerStatus.Ok, side.Write(session, 1, 1, AppendX).Status);
            Answer again = side.Write(session, 2, 1, compare);
            Assert.Equal((AnswerStatus.Mismatch, "x"), (again.Status, again.Value));
            bool isOwner = side.State.Descriptor.Contains("k"u8);
            Assert.Equal(isOwner ? AnswerStatus.Ok : AnswerStatus.WrongRange,
                side.Write(session, 3, 1, AppendX).Status);
            Answer found = side.Get("k");
            Assert.Equal(isOwner ? "xx" : null, found.Value);
        }
        Assert.Equal([SessionId.Of(new GroupId(7), 2), SessionId.Of(Child, 1)], [parent.Open(), child.Open()]);
    }

    [Fact]
    public void What_one_side_acknowledges_the_other_still_keeps()
    {
        var parent = new TestGroup();
        SessionId session = parent.Open();
        parent.Write(session, 1, 1, AppendX);
        Split(parent, "c"u8);
        var child = new TestGroup(GroupState.From(parent.Child!, default));
        Assert.Equal(AnswerStatus.WrongRange, parent.Write(session, 2, 2, AppendX).Status);
        Assert.Equal(AnswerStatus.SequenceTooOld, parent.Write(session, 1, 2, AppendX).Status);
        Assert.Equal(AnswerStatus.Ok, child.Write(session, 1, 1, AppendX).Status);
        Assert.Equal("x", child.Get("k").Value);
    }

    [Fact]
    public void A_split_that_does_not_fit_changes_nothing_and_is_told_the_group_as_it_is()
    {
        GroupDescriptor now = TestGroup.DescriptorOf("b", "m");
        var joint = now with { Replicas = [.. now.Replicas.Select(r => r with { Role = ReplicaRole.Outgoing }),
            new ReplicaPlacement(new ReplicaId(3), new NodeName("node-3"))] };
        RequireRefused(now, now with { RangeVersion = 2 }, "f");
        RequireRefused(now, now with { RangeVersion = 4 }, "f");
        RequireRefused(now, now with { ConfigVersion = 3 }, "f");
        foreach (string key in new[] { "a", "b", "m", "z" }) RequireRefused(now, now, key);
        RequireRefused(now, now, "f", [new ReplicaId(1)]);
        RequireRefused(joint, joint, "f", [new(1), new(2), new(3)]);
        RequireRefused(now, now, "f", status: AnswerStatus.Malformed, child: now.Group);

        static void RequireRefused(GroupDescriptor now, GroupDescriptor expected, string key, ReplicaId[]? ids = null,
            AnswerStatus status = AnswerStatus.WrongRange, GroupId? child = null)
        {
            (TestGroup group, TestGroup other) = (Filled(now), Filled(now));
            Answer answer = group.Unsessioned(Operation.Split(expected, Bytes.Of(key), child ?? Child,
                ids ?? ChildReplicas));
            Assert.Equal(status, answer.Status);
            if (status == AnswerStatus.WrongRange) Assert.Equal(now, answer.Descriptor);
            Assert.Null(group.Child);
            other.Apply(default, EntryKind.NoOp);
            Assert.Equal(other.State.Snapshot().Digest(), group.State.Snapshot().Digest());
        }
    }

    [Fact]
    public void A_split_beside_other_commands_is_malformed()
    {
        TestGroup group = Filled(TestGroup.DescriptorOf("b", "m"));
        var batch = new CommandBatchWriter();
        batch.AddUnsessioned(Operation.OpenSession(1000));
        batch.AddUnsessioned(Operation.Split(group.State.Descriptor, "f"u8, Child, ChildReplicas));
        Assert.Equal([AnswerStatus.SessionOpened, AnswerStatus.Malformed],
            Answer.All(group.Apply(batch.ToArray())).Select(answer => answer.Status));
        Assert.Null(group.Child);
        Assert.Equal("m", Bytes.Text(group.State.Descriptor.End));
    }

    [Theory]
    [InlineData(21)]
    [InlineData(22)]
    [InlineData(23)]
    public void The_middle_key_halves_the_bytes_as_well_as_any_key_can(int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < 60; round++)
        {
            var model = new StateModel();
            var group = new TestGroup();
            group.Open(60_000);
            model.Change(group, random, random.Next(1, 60) * random.Next(1, 10));
            long half = model.Bytes / 2;
            long? best = model.Keys.Select(model.BytesBelow).Where(below => below > 0)
                .Select(below => (long?)Math.Abs(below - half)).Min();
            byte[]? middle = group.State.MiddleKey();
            Assert.Equal(best, middle is null ? null : Math.Abs(model.BytesBelow(middle) - half));
            if (middle is not null) Assert.Equal(AnswerStatus.Ok, Split(group, middle).Status);
        }
    }

    [Fact]
    public void A_group_with_one_key_has_no_middle()
    {
        var group = new TestGroup();
        var client = new TestClient(group);
        Assert.Null(group.State.MiddleKey());
        client.Put("k", "1");
        client.Put("k", "22", ColumnFamily.Write);
        Assert.Null(group.State.MiddleKey());
        client.Put("a", "1", ColumnFamily.Lock);
        Assert.Equal("k"u8, group.State.MiddleKey()!);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(100_000)]
    public void A_split_costs_about_the_same_however_many_keys_there_are(int keys)
    {
        TestGroup group = Filled(TestGroup.DescriptorOf("", ""));
        for (int i = 0; i < keys; i++)
            group.Write(TestGroup.SessionOf(1), (ulong)i + 2, (ulong)i + 2,
                Operation.Put(ColumnFamily.Default, Bytes.Of($"key-{i:D8}"), [1]));
        byte[] entry = Bytes.Batch(Operation.Split(group.State.Descriptor, group.State.MiddleKey(), Child,
            ChildReplicas));
        var answers = new AnswerBatchWriter();
        var at = new LogEntry(new Term(1), group.State.LastApplied.Index.Next(), EntryKind.Command, entry);
        long before = GC.GetAllocatedBytesForCurrentThread();
        GroupStateSnapshot? child = group.State.Apply(at, answers);
        // Two nodes for each level of the tree, of which there are at most five.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, 10 * (MapNode.NodeBytes + 1000));
        Assert.Equal(keys + 1, group.State.KeyCount + GroupState.From(child!, default).KeyCount);
    }

    private static TestGroup Filled(GroupDescriptor descriptor)
    {
        var group = new TestGroup(new GroupState(descriptor, new StoreLimits()));
        group.Write(group.Open(), 1, 1, AppendX);
        return group;
    }

    private static Answer Split(TestGroup group, ReadOnlySpan<byte> key) =>
        group.Unsessioned(Operation.Split(group.State.Descriptor, key, NextTo(group), ChildReplicas));

    private static GroupId NextTo(TestGroup group) => new(group.State.Descriptor.Group.Value + 1);
}
