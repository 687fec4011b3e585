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
    public void A_write_to_a_key_of_another_group_is_found() => Mutation.IsFound(FaultPoint.RangeUnchecked,
        "a key of another group was written", faults =>
    {
        TestGroup group = Start(faults, end: "m");
        var client = new TestClient(group);
        Assert.Equal(AnswerStatus.Ok, client.Put("a", "1").Status);
        Assert.True(client.Put("z", "1").Status == AnswerStatus.WrongRange, "a key of another group was written");
    });

    private static TestGroup Start(FaultPoints faults, string end = "") =>
        new(new GroupState(TestGroup.DescriptorOf("", end), new StoreLimits()) { Faults = faults });

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
