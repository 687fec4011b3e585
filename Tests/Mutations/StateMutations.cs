using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.KeyValue.Tests.State;

namespace Orleans.Raft.Mutations;

/// <summary>Bugs in the replicated state: sessions, snapshots, ranges.</summary>
public sealed class StateMutations
{
    private static readonly byte[] AppendX = Operation.Append(ColumnFamily.Default, "k"u8, "x"u8);

    [Fact]
    public void A_retry_applied_twice_is_found() => Mutation.IsFound(FaultPoint.RetryAppliedTwice,
        "the append was applied as 'xx'", faults =>
    {
        TestGroup group = Start(faults);
        SessionId session = group.Open();
        for (int attempt = 0; attempt < 2; attempt++)
            Assert.Equal(AnswerStatus.Ok, group.Write(session, 1, 1, AppendX).Status);
        string? value = group.Get("k").Value;
        Assert.True(value == "x", $"the append was applied as '{value}'");
    });

    [Fact]
    public void Sessions_lost_in_a_snapshot_are_found() => Mutation.IsFound(FaultPoint.SessionsLostInSnapshot,
        "the restored state answers SessionExpired", faults =>
    {
        TestGroup group = Start(faults);
        SessionId session = group.Open();
        group.Write(session, 1, 1, AppendX);
        AnswerStatus answer = Restore(group.State, faults).Write(session, 2, 1, AppendX).Status;
        Assert.True(answer == AnswerStatus.Ok, $"the restored state answers {answer}");
    });

    [Fact]
    public void A_range_that_is_checked_when_proposed_is_found() => Mutation.IsFound(
        FaultPoint.RangeCheckedWhenProposed, "a key was written that a split had given away", faults =>
    {
        TestGroup group = Start(faults);
        var client = new TestClient(group);
        Assert.Equal(AnswerStatus.Ok, client.Put("z", "1").Status);
        // Both were proposed before either was applied.
        Split(group);
        Assert.True(client.Put("z", "2").Status == AnswerStatus.WrongRange,
            "a key was written that a split had given away");
    });

    [Fact]
    public void Sessions_lost_in_a_split_are_found() => Mutation.IsFound(FaultPoint.SessionsLostInSplit,
        "the new group answers SessionExpired", faults =>
    {
        TestGroup group = Start(faults);
        SessionId session = group.Open();
        group.Write(session, 1, 1, AppendX);
        Split(group);
        var child = new TestGroup(GroupState.From(group.Child!, faults));
        AnswerStatus answer = child.Write(session, 1, 1, AppendX).Status;
        Assert.True(answer == AnswerStatus.Ok, $"the new group answers {answer}");
    });

    [Fact]
    public void A_merge_that_drops_a_tail_is_found() => Mutation.IsFound(FaultPoint.MergeDropsTail,
        "a key of the group that was taken over is missing", faults =>
    {
        (TestGroup upper, TestGroup lower) = MergeTests.Pair(Start(faults));
        var client = new TestClient(upper);
        for (int i = 0; i < 20; i++) client.Put($"y{i:D2}", "1");
        MergeTests.Merge(upper, lower, new MergeId(1));
        Assert.True(lower.Get("y19").Status == AnswerStatus.Value, "a key of the group that was taken over is missing");
    });

    [Fact]
    public void Sessions_lost_in_a_merge_are_found() => Mutation.IsFound(FaultPoint.SessionsLostInMerge,
        "the append was answered SessionExpired", faults =>
    {
        (TestGroup upper, TestGroup lower) = MergeTests.Pair(Start(faults));
        byte[] append = Operation.Append(ColumnFamily.Default, "z"u8, "x"u8);
        SessionId session = upper.Open();
        upper.Write(session, 1, 1, append);
        MergeTests.Merge(upper, lower, new MergeId(1));
        AnswerStatus answer = lower.Write(session, 1, 1, append).Status;
        Assert.True(answer == AnswerStatus.Ok, $"the append was answered {answer}");
    });

    [Fact]
    public void A_merge_that_is_abandoned_after_it_took_over_is_found() => Mutation.IsFound(
        FaultPoint.AbandonAfterTakeOver, "two groups serve the same key", faults =>
    {
        (TestGroup upper, TestGroup lower) = MergeTests.Pair(Start(faults));
        MergeTests.Merge(upper, lower, new MergeId(1));
        lower.Unsessioned(Operation.Abandon(new MergeId(1)));
        // The source serves again once the target said that it abandoned the merge, and not otherwise.
        if (lower.State.Merges.Outcome == MergeOutcome.Abandoned) upper.Unsessioned(Operation.Thaw(new MergeId(1)));
        bool isTaken = lower.Get("z").Status == AnswerStatus.Value;
        Assert.True(isTaken && upper.State.IsFrozen, "two groups serve the same key");
    });

    [Fact]
    public void A_frozen_group_that_serves_writes_is_found() => Mutation.IsFound(FaultPoint.FrozenGroupServesWrites,
        "a write that was acknowledged is lost", faults =>
    {
        (TestGroup upper, TestGroup lower) = MergeTests.Pair(Start(faults));
        SessionId session = lower.Open();
        List<byte[]> steps = MergeTests.Steps(lower, upper, new MergeId(1), 1000);
        bool isAcknowledged = lower.Write(session, 1, 1, AppendX).Status == AnswerStatus.Ok;
        foreach (byte[] step in steps) upper.Unsessioned(step);
        Assert.True(!isAcknowledged || upper.Get("k").Value == "x", "a write that was acknowledged is lost");
    });

    private static void Split(TestGroup group) => Assert.Equal(AnswerStatus.Ok, group.Unsessioned(
        Operation.Split(group.State.Descriptor, "c"u8, new GroupId(8), [new ReplicaId(1), new ReplicaId(2)])).Status);

    private static TestGroup Start(FaultPoints faults) =>
        new(new GroupState(TestGroup.DescriptorOf("", ""), new StoreLimits()) { Faults = faults });

    private static TestGroup Restore(GroupState state, FaultPoints faults)
    {
        var encoder = new GroupStateEncoder(state.Snapshot());
        var decoder = new GroupStateDecoder(state.Limits) { Faults = faults };
        byte[] piece = new byte[1000];
        for (int filled = encoder.Fill(piece); filled > 0; filled = encoder.Fill(piece))
            decoder.Add(piece.AsSpan(0, filled));
        return new TestGroup(decoder.Complete());
    }
}
