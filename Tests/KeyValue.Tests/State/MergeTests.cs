using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

/// <summary>A group takes over all that its neighbour has.</summary>
public sealed class MergeTests
{
    private static readonly MergeId First = new(1);
    private static readonly GroupId Upper = new(8);
    private static readonly byte[] AppendX = Operation.Append(ColumnFamily.Default, "k"u8, "x"u8);

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, false)]
    public void Two_neighbours_joined_hold_what_both_held_and_go_on_as_one(int seed, bool takesUpper)
    {
        var random = new Random(seed);
        var model = new StateModel();
        var group = new TestGroup();
        for (int i = 0; i < 4; i++) group.Open(60_000);
        model.Change(group, random, 300);
        for (uint round = 1; round < 7; round++)
        {
            byte[] key = group.State.MiddleKey()!;
            TestGroup upper = Split(group, key, new GroupId(group.State.Descriptor.Group.Value + round));
            StateModel upperModel = model.CutFrom(key);
            model.Change(group, random, 200);
            upperModel.Change(upper, random, 200);
            (TestGroup source, TestGroup target) = takesUpper ? (upper, group) : (group, upper);
            ulong version = Math.Max(source.State.Descriptor.RangeVersion, target.State.Descriptor.RangeVersion) + 1;
            // One that was restored in the middle, and one that heard only the entries.
            var restored = new TestGroup(SnapshotTests.Copy(target.State.Snapshot()));
            TestGroup[] replicas = [target, restored];
            foreach (byte[] step in Steps(source, target, new MergeId(round), 1 + random.Next(3000)))
            {
                foreach (TestGroup replica in replicas) Assert.Equal(AnswerStatus.Ok, replica.Unsessioned(step).Status);
                if (random.Next(3) == 0) replicas[1] = new TestGroup(SnapshotTests.Copy(replicas[1].State.Snapshot()));
                Assert.Equal(target.State.Snapshot().Digest(), replicas[1].State.Snapshot().Digest());
            }
            Assert.Equal((new MergeId(round), MergeOutcome.Taken),
                (target.State.Merges.Last, target.State.Merges.Outcome));
            GroupDescriptor now = target.State.Descriptor;
            Assert.Equal((0, 0, version), (now.Start.Length, now.End.Length, now.RangeVersion));
            model.Join(upperModel);
            model.Require(target);
            group = target;
            model.Change(group, random, 200);
            model.Require(group);
        }
    }

    [Fact]
    public void Every_replica_of_the_source_makes_the_same_content_whatever_its_log_holds_after_the_freeze()
    {
        (TestGroup source, TestGroup _) = Pair();
        for (int i = 0; i < 5; i++) source.Open();
        source.Write(TestGroup.SessionOf(1), 2, 1, Operation.CompareAndSet(0, "z"u8, "no"u8.ToArray(), null));
        Freeze(source, First);
        byte[] content = Cut(source).Bytes.ToArray();
        Assert.Equal(content.Length, source.State.MergeContentBytes());
        var restored = new TestGroup(SnapshotTests.Copy(source.State.Snapshot()));
        restored.Apply(default, EntryKind.NoOp);
        var members = new Member[] { new(new ReplicaId(5), new NodeName("other")) };
        restored.Apply(Configuration.Create(9, members, [], [], new ReplicaId(5)).Encode(), EntryKind.Configuration);
        restored.Unsessioned(Operation.AdvanceTime(5000));
        restored.Write(TestGroup.SessionOf(1), 7, 7, AppendX);
        Assert.Equal(content, Cut(restored).Bytes.ToArray());
    }

    [Fact]
    public void A_frozen_group_changes_nothing_and_gives_only_answers_that_it_has_already()
    {
        (TestGroup source, TestGroup _) = Pair();
        SessionId session = source.Open();
        byte[] put = Operation.Put(0, "z"u8, "1"u8);
        Assert.Equal(AnswerStatus.Ok, source.Write(session, 1, 1, put).Status);
        Freeze(source, First);
        byte[] content = Cut(source).Bytes.ToArray();
        Assert.Equal(AnswerStatus.Ok, source.Write(session, 1, 1, put).Status);
        Assert.Equal(AnswerStatus.Frozen, source.Write(session, 2, 2, put).Status);
        Assert.Equal(AnswerStatus.Frozen, source.Write(new SessionId(99), 1, 1, put).Status);
        Assert.Equal(AnswerStatus.Frozen, source.Unsessioned(Operation.OpenSession(1000)).Status);
        Assert.Equal(AnswerStatus.Frozen, source.Unsessioned(Operation.AdvanceTime(99)).Status);
        Assert.Equal(AnswerStatus.Frozen, source.Unsessioned(Operation.Split(source.State.Descriptor, "x"u8, new GroupId(9),
            [new ReplicaId(1), new ReplicaId(2)])).Status);
        Assert.Equal(content, Cut(source).Bytes.ToArray());

        Assert.Equal(AnswerStatus.Ok, source.Unsessioned(Operation.Thaw(First)).Status);
        Assert.False(source.State.IsFrozen);
        Assert.Equal(AnswerStatus.Ok, source.Write(session, 2, 2, put).Status);
        // One that comes late.
        Assert.Equal(AnswerStatus.Refused, source.Unsessioned(FreezeOf(source, First)).Status);
        Assert.Equal(AnswerStatus.Ok, source.Write(session, 3, 3, put).Status);
    }

    [Fact]
    public void Only_a_group_as_expected_that_is_in_no_other_merge_and_not_too_large_freezes()
    {
        (TestGroup source, TestGroup target) = Pair();
        ulong version = source.State.Descriptor.RangeVersion;
        GroupId lower = target.State.Descriptor.Group;
        Refused(source, Operation.Freeze(First, lower, version - 1), "not of version");
        Refused(source, Operation.Freeze(First, Upper, version), "cannot be merged");
        Freeze(source, First);
        Refused(source, FreezeOf(source, new MergeId(2)), "waits for g7");
        Freeze(source, First);
        Take(target, Cut(source).ChunkAt(0, 10)!);
        Refused(target, Operation.Freeze(new MergeId(2), Upper, target.State.Descriptor.RangeVersion), "takes over g8");
        Refused(target, Operation.Split(target.State.Descriptor, "c"u8, new GroupId(9),
            [new ReplicaId(1), new ReplicaId(2)]), "", AnswerStatus.WrongRange);
        Refused(source, Operation.Absorb(Cut(source).ChunkAt(0)! with { Merge = new MergeId(2),
            Source = target.State.Descriptor.RangeOnly }), "waits for g7");

        var large = new TestGroup(new StoreLimits { MaxValueBytes = 1 << 20 });
        var client = new TestClient(large);
        for (int i = 0; i < 8; i++) client.Put($"{i}", new string('x', 1 << 20));
        Refused(large, Operation.Freeze(First, Upper, large.State.Descriptor.RangeVersion), "at most 8388608");
        client.Delete("1");
        Freeze(large, First);
    }

    [Fact]
    public void Parts_are_taken_in_order_each_once_and_only_of_one_content()
    {
        (TestGroup source, TestGroup target) = Pair();
        Freeze(source, First);
        MergeContent content = Cut(source);
        Refused(target, Operation.Absorb(content.ChunkAt(40, 40)!), "nothing of m1 yet");
        GroupDescriptor far = content.Source with { Start = "x"u8.ToArray() };
        Refused(target, Operation.Absorb(content.ChunkAt(0)! with { Source = far }), "no neighbour");
        Take(target, content.ChunkAt(0, 40)!);
        Take(target, content.ChunkAt(0, 40)!);
        Refused(target, Operation.Absorb(content.ChunkAt(41, 40)!), "wants what begins at 40");
        Refused(target, Operation.Absorb(content.ChunkAt(40, 40)! with { Checksum = 5 }), "another content");
        Refused(target, Operation.Absorb(content.ChunkAt(40, 40)! with { Merge = new MergeId(2) }), "in m1");
        Refused(target, Operation.TakeOver(First), $"has 40 of {content.Bytes.Length}");
        Take(target, content.ChunkAt(40, 40)!);
        Take(target, content.ChunkAt(0, 70)!);
        Take(target, content.ChunkAt(80)!);
        Assert.True(target.State.Merges.Incoming!.IsComplete);
        Refused(target, Operation.TakeOver(new MergeId(2)), "nothing of m2");
        Assert.Equal(AnswerStatus.Ok, target.Unsessioned(Operation.TakeOver(First)).Status);
        // Doubled or late entries.
        Assert.Equal(AnswerStatus.Ok, target.Unsessioned(Operation.TakeOver(First)).Status);
        Refused(target, Operation.Absorb(content.ChunkAt(0)!), "m1 has ended");
        Assert.Equal("1", target.Get("z").Value);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Damaged_content_is_never_taken_over_and_can_be_abandoned(int seed)
    {
        var random = new Random(seed);
        (TestGroup source, TestGroup target) = Pair();
        Freeze(source, First);
        MergeContent content = Cut(source);
        ulong merge = 1;
        for (int round = 0; round < 300; round++, merge++)
        {
            byte[] damaged = content.Bytes.ToArray();
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            // Also where the checksum fits what is wrong.
            uint checksum = random.Next(2) == 0 ? content.Checksum : Crc32C.Compute(damaged);
            byte[] before = Rows(target);
            Take(target, new MergeChunk(new MergeId(merge), content.Source, 0, damaged.Length, checksum, damaged));
            Answer answer = target.Unsessioned(Operation.TakeOver(new MergeId(merge)));
            if (answer.Status == AnswerStatus.Ok)
            {
                Assert.NotEqual(content.Checksum, checksum);
                (source, target) = Pair();
                continue;
            }
            Assert.Equal(AnswerStatus.Refused, answer.Status);
            Assert.NotNull(target.State.MergeRefusal);
            Assert.Equal(before, Rows(target));
            Assert.NotNull(target.State.Merges.Incoming);
            Assert.Equal(AnswerStatus.Ok, target.Unsessioned(Operation.Abandon(new MergeId(merge))).Status);
            Assert.Equal(new MergeState(new MergeId(merge), MergeOutcome.Abandoned, null, null), target.State.Merges);
        }

        static byte[] Rows(TestGroup group) => MergeContent.Of(default, group.State.Snapshot()).Bytes.ToArray();
    }

    [Fact]
    public void Of_taking_over_and_abandoning_the_first_in_the_targets_log_rules_out_the_other()
    {
        (TestGroup source, TestGroup target) = Pair();
        foreach (byte[] step in Steps(source, target, First, 100)) target.Unsessioned(step);
        Assert.Equal(AnswerStatus.Ok, target.Unsessioned(Operation.Abandon(First)).Status);
        Assert.Equal((First, MergeOutcome.Taken), (target.State.Merges.Last, target.State.Merges.Outcome));
        Assert.Equal("1", target.Get("z").Value);

        (source, target) = Pair();
        List<byte[]> steps = Steps(source, target, First, 100);
        foreach (byte[] step in steps[..^1]) target.Unsessioned(step);
        Assert.Equal(AnswerStatus.Ok, target.Unsessioned(Operation.Abandon(First)).Status);
        foreach (byte[] step in steps) Assert.Equal(AnswerStatus.Refused, target.Unsessioned(step).Status);
        Assert.Equal(new MergeState(First, MergeOutcome.Abandoned, null, null), target.State.Merges);
        Assert.Equal(AnswerStatus.WrongRange, target.Get("z").Status);
        // Before anything of it came.
        Assert.Equal(AnswerStatus.Ok, target.Unsessioned(Operation.Abandon(new MergeId(2))).Status);
        Assert.Equal(AnswerStatus.Refused, target.Unsessioned(Operation.Abandon(First)).Status);
        Assert.Equal(new MergeId(2), target.State.Merges.Last);
    }

    [Fact]
    public void A_retry_at_the_target_of_what_the_source_applied_gets_the_sources_answer()
    {
        (TestGroup source, TestGroup target) = Pair();
        SessionId session = source.Open();
        byte[] append = Operation.Append(0, "z"u8, "x"u8);
        byte[] compare = Operation.CompareAndSet(0, "z"u8, "no"u8.ToArray(), null);
        source.Write(session, 3, 2, append);
        Assert.Equal("1x", source.Write(session, 4, 2, compare).Value);
        source.Write(session, 5, 2, Operation.Delete(0, "z"u8));
        // One that the split left on both sides.
        Assert.Equal(AnswerStatus.Ok, target.Write(TestGroup.SessionOf(1), 5, 5, AppendX).Status);
        Merge(source, target, First);
        Assert.Equal(AnswerStatus.Ok, target.Write(session, 3, 2, append).Status);
        Assert.Equal("1x", target.Write(session, 4, 2, compare).Value);
        Assert.Equal(AnswerStatus.NotFound, target.Get("z").Status);
        Assert.Equal(AnswerStatus.SequenceTooOld, target.Write(session, 1, 1, append).Status);
        Assert.Equal(AnswerStatus.Ok, target.Write(session, 6, 6, append).Status);
        Assert.Equal("x", target.Get("z").Value);
        Assert.Equal(AnswerStatus.SequenceTooOld, target.Write(TestGroup.SessionOf(1), 4, 1, AppendX).Status);
        Assert.Equal(AnswerStatus.Ok, target.Write(TestGroup.SessionOf(1), 5, 1, AppendX).Status);
        Assert.Equal("x", target.Get("k").Value);
    }

    [Fact]
    public void Of_two_answers_under_one_number_that_the_key_was_anothers_is_the_lesser_one()
    {
        foreach (bool takesUpper in new[] { true, false })
        {
            (TestGroup upper, TestGroup lower) = Pair();
            SessionId session = TestGroup.SessionOf(1);
            byte[] append = Operation.Append(0, "z"u8, "x"u8);
            Assert.Equal(AnswerStatus.WrongRange, lower.Write(session, 2, 2, append).Status);
            Assert.Equal(AnswerStatus.Ok, upper.Write(session, 2, 2, append).Status);
            (TestGroup source, TestGroup target) = takesUpper ? (upper, lower) : (lower, upper);
            Merge(source, target, First);
            Assert.Equal(AnswerStatus.Ok, target.Write(session, 2, 2, append).Status);
            Assert.Equal("1x", target.Get("z").Value);
        }
    }

    [Fact]
    public void Wrong_range_is_recorded_and_stays_so_when_the_key_comes_by_a_merge()
    {
        (TestGroup source, TestGroup target) = Pair();
        SessionId session = target.Open();
        byte[] append = Operation.Append(0, "z"u8, "x"u8);
        Assert.Equal(AnswerStatus.WrongRange, target.Write(session, 1, 1, append).Status);
        // Its client goes where the key is and writes there under another number.
        Assert.Equal(AnswerStatus.Ok, source.Write(source.Open(), 1, 1, append).Status);
        Merge(source, target, First);
        // A copy of the first attempt that was on its way all the time.
        Assert.Equal(AnswerStatus.WrongRange, target.Write(session, 1, 1, append).Status);
        Assert.Equal("1x", target.Get("z").Value);
        var restored = new TestGroup(SnapshotTests.Copy(target.State.Snapshot()));
        Assert.Equal(AnswerStatus.WrongRange, restored.Write(session, 1, 1, append).Status);
    }

    [Fact]
    public void Sessions_age_on_and_one_that_expired_where_it_was_opened_does_not_come_back()
    {
        (TestGroup source, TestGroup target) = Pair();
        SessionId young = source.Open(1000);
        SessionId old = target.Open(1000);
        source.Unsessioned(Operation.AdvanceTime(100_000));
        target.Unsessioned(Operation.AdvanceTime(5000));
        SessionId late = source.Open(1000);
        source.Unsessioned(Operation.AdvanceTime(100_400));
        Merge(source, target, First);
        Assert.Equal(5000, target.State.GroupTimeMilliseconds);
        // Expired in the source, and before that in the target.
        foreach (SessionId gone in new[] { young, old })
            Assert.Equal(AnswerStatus.SessionExpired, target.Write(gone, 1, 1, AppendX).Status);
        target.Unsessioned(Operation.AdvanceTime(5600));
        Assert.Equal(AnswerStatus.Ok, target.Write(late, 1, 1, AppendX).Status);
        target.Unsessioned(Operation.AdvanceTime(6601));
        Assert.Equal(AnswerStatus.SessionExpired, target.Write(late, 2, 2, AppendX).Status);

        // Session 1 of the lower group is still there in the upper one, whose time stood still.
        (TestGroup upper, TestGroup lower) = Pair();
        lower.Unsessioned(Operation.AdvanceTime(500_000));
        Assert.Equal(AnswerStatus.Ok, upper.Write(TestGroup.SessionOf(1), 9, 9, Operation.Delete(0, "y"u8)).Status);
        Merge(upper, lower, First);
        Assert.Equal(AnswerStatus.SessionExpired, lower.Write(TestGroup.SessionOf(1), 9, 9, AppendX).Status);
    }

    [Fact]
    public void A_session_that_nobody_used_on_one_side_lives_on_as_it_is_on_the_other()
    {
        foreach (bool takesUpper in new[] { true, false })
        {
            (TestGroup upper, TestGroup lower) = Pair();
            SessionId session = TestGroup.SessionOf(1);
            Assert.Equal(AnswerStatus.Ok, lower.Write(session, 2, 1, AppendX).Status);
            upper.Unsessioned(Operation.AdvanceTime(500_000));
            (TestGroup source, TestGroup target) = takesUpper ? (upper, lower) : (lower, upper);
            Merge(source, target, First);
            Assert.Equal(AnswerStatus.Ok, target.Write(session, 2, 1, AppendX).Status);
            Assert.Equal("x", target.Get("k").Value);
        }
    }

    /// <summary>One group of three opened it, and the other two, which merge, got it by splits.</summary>
    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void A_session_that_either_has_forgotten_is_gone_whoever_opened_it(bool takesUpper, bool upperForgets)
    {
        (TestGroup _, TestGroup lower) = Pair();
        SessionId session = TestGroup.SessionOf(1);
        lower = Split(lower, "c"u8, new GroupId(20));
        TestGroup upper = Split(lower, "h"u8, new GroupId(21));
        (TestGroup forgetting, string key) = upperForgets ? (upper, "k") : (lower, "d");
        byte[] append = Operation.Append(0, Bytes.Of(key), "x"u8);
        Assert.Equal(AnswerStatus.Ok, forgetting.Write(session, 5, 5, append).Status);
        forgetting.Unsessioned(Operation.AdvanceTime(500_000));
        (TestGroup source, TestGroup target) = takesUpper ? (upper, lower) : (lower, upper);
        Merge(source, target, First);
        // A copy of what was applied before it was forgotten.
        TestGroup restored = new(SnapshotTests.Copy(target.State.Snapshot()));
        foreach (TestGroup group in new[] { target, restored })
        {
            Assert.Equal(AnswerStatus.SessionExpired, group.Write(session, 5, 5, append).Status);
            Assert.Equal("x", group.Get(key).Value);
        }
        // And a session that only one of them ever had lives on, also through the next merge.
        Assert.Equal(AnswerStatus.Ok, target.Write(target.Open(), 1, 1, append).Status);
    }

    [Fact]
    public void More_sessions_or_kept_answers_than_a_group_may_have_are_not_taken_over()
    {
        var limits = new StoreLimits { MaxSessions = 4, MaxValueBytes = 100, SessionAnswerBytes = 200 };
        (TestGroup source, TestGroup target) = Pair(limits);
        for (int i = 0; i < 2; i++)
        {
            source.Open();
            target.Open();
        }
        List<byte[]> steps = Steps(source, target, First, 1000);
        foreach (byte[] step in steps[..^1]) Assert.Equal(AnswerStatus.Ok, target.Unsessioned(step).Status);
        Refused(target, steps[^1], "5 sessions");

        (source, target) = Pair(limits);
        SessionId session = TestGroup.SessionOf(1);
        source.Write(session, 10, 10, Operation.Put(0, "y"u8, new byte[100]));
        target.Write(session, 11, 10, Operation.Put(0, "a"u8, new byte[100]));
        source.Write(session, 12, 10, Operation.CompareAndSet(0, "y"u8, null, null));
        source.Write(session, 13, 10, Operation.CompareAndSet(0, "y"u8, null, null));
        target.Write(session, 14, 10, Operation.CompareAndSet(0, "a"u8, null, null));
        steps = Steps(source, target, First, 1000);
        foreach (byte[] step in steps[..^1]) Assert.Equal(AnswerStatus.Ok, target.Unsessioned(step).Status);
        Refused(target, steps[^1], "answers kept");
        Assert.Equal(AnswerStatus.WrongRange, target.Get("y").Status);
    }

    [Fact]
    public void Steps_beside_other_commands_or_in_a_session_are_malformed()
    {
        (TestGroup source, TestGroup _) = Pair();
        byte[] freeze = FreezeOf(source, First);
        Assert.Equal(AnswerStatus.Malformed, source.Write(source.Open(), 1, 1, freeze).Status);
        var batch = new CommandBatchWriter();
        batch.AddUnsessioned(Operation.OpenSession(1000));
        batch.AddUnsessioned(freeze);
        Assert.Equal([AnswerStatus.SessionOpened, AnswerStatus.Malformed],
            Answer.All(source.Apply(batch.ToArray())).Select(answer => answer.Status));
        Assert.False(source.State.IsFrozen);
    }

    [Fact]
    public void A_child_begins_without_its_parents_merges()
    {
        (TestGroup source, TestGroup target) = Pair();
        Merge(source, target, First);
        TestGroup child = Split(target, "q"u8, new GroupId(20));
        Assert.Equal(MergeState.None, child.State.Merges);
        Assert.Equal(First, target.State.Merges.Last);
    }

    /// <summary>A group that was split at m, with a session and a key on either side; the upper part first.</summary>
    internal static (TestGroup Upper, TestGroup Lower) Pair(StoreLimits? limits = null) => Pair(new TestGroup(limits));

    /// <inheritdoc cref="Pair(StoreLimits?)"/>
    internal static (TestGroup Upper, TestGroup Lower) Pair(TestGroup lower)
    {
        SessionId session = lower.Open();
        lower.Write(session, 1, 1, Operation.Put(0, "z"u8, "1"u8));
        TestGroup upper = Split(lower, "m"u8, Upper);
        return (upper, lower);
    }

    internal static TestGroup Split(TestGroup group, ReadOnlySpan<byte> key, GroupId child)
    {
        Assert.Equal(AnswerStatus.Ok, group.Unsessioned(Operation.Split(group.State.Descriptor, key, child,
            [new ReplicaId(1), new ReplicaId(2)])).Status);
        return new TestGroup(GroupState.From(group.Child!, default));
    }

    /// <summary>Freezes the source and returns all that the target is to apply, taking over last.</summary>
    internal static List<byte[]> Steps(TestGroup source, TestGroup target, MergeId merge, int chunkBytes)
    {
        Assert.Equal(AnswerStatus.Ok, source.Unsessioned(Operation.Freeze(merge, target.State.Descriptor.Group,
            source.State.Descriptor.RangeVersion)).Status);
        MergeContent content = Cut(source);
        var steps = new List<byte[]>();
        for (long at = 0; content.ChunkAt(at, chunkBytes) is { } chunk; at += chunk.Data.Length)
            steps.Add(Operation.Absorb(chunk));
        steps.Add(Operation.TakeOver(merge));
        return steps;
    }

    internal static void Merge(TestGroup source, TestGroup target, MergeId merge)
    {
        foreach (byte[] step in Steps(source, target, merge, 200))
        {
            Answer answer = target.Unsessioned(step);
            Assert.True(answer.Status == AnswerStatus.Ok, $"{answer.Status}: {target.State.MergeRefusal}");
        }
    }

    private static MergeContent Cut(TestGroup source) =>
        MergeContent.Of(source.State.Merges.Frozen!.Merge, source.State.Snapshot());

    private static byte[] FreezeOf(TestGroup source, MergeId merge) =>
        Operation.Freeze(merge, new GroupId(7), source.State.Descriptor.RangeVersion);

    private static void Freeze(TestGroup source, MergeId merge)
    {
        GroupId other = source.State.Descriptor.Group == new GroupId(7) ? Upper : new GroupId(7);
        Assert.Equal(AnswerStatus.Ok, source.Unsessioned(
            Operation.Freeze(merge, other, source.State.Descriptor.RangeVersion)).Status);
    }

    private static void Take(TestGroup target, MergeChunk chunk) =>
        Assert.Equal(AnswerStatus.Ok, target.Unsessioned(Operation.Absorb(chunk)).Status);

    private static void Refused(TestGroup group, byte[] step, string why, AnswerStatus status = AnswerStatus.Refused)
    {
        MergeState before = group.State.Merges;
        Assert.Equal(status, group.Unsessioned(step).Status);
        Assert.Equal(before, group.State.Merges);
        if (status == AnswerStatus.Refused)
            Assert.Contains(why, group.State.MergeRefusal!, StringComparison.Ordinal);
    }
}
