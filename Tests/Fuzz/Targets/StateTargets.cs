using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Fuzz;

/// <summary>What a log entry or a read says, to a group's state: two replicas must agree whatever it is.</summary>
internal sealed class ApplyTarget : FuzzTarget
{
    public static readonly GroupDescriptor Descriptor = new(new GroupId(1), [], [(byte)'g'], 1, 1,
        [new ReplicaPlacement(new ReplicaId(1), new NodeName("node-1"))]);

    public override string Name => "apply";

    public override byte[] Generate(FuzzRandom random) =>
        random.OneIn(3) ? FuzzBatches.Reads(random) : FuzzBatches.Commands(random);

    public override bool GeneratesValid => false; // What is no batch of commands is applied as malformed.

    public override Reading Read(byte[] input)
    {
        GroupState state = MakeState();
        var answers = new AnswerBatchWriter();
        GroupStateSnapshot? split = state.Apply(Entry(state, input), answers);
        int applied = answers.Count;
        state.Read(input, answers);
        return new Reading(!new CommandBatchReader(input).IsMalformed && applied > 0, (state, answers.ToArray(), split));
    }

    public override void Check(byte[] input, Reading reading)
    {
        (GroupState state, byte[] answers, GroupStateSnapshot? split) =
            ((GroupState, byte[], GroupStateSnapshot?))reading.Content!;
        GroupState follower = MakeState();
        GroupStateSnapshot? child = follower.Apply(Entry(follower, input), null);
        if (child?.Digest() != split?.Digest()) throw new FindingException("two replicas split differently");
        byte[] content = Encode(state);
        RequireSame(Encode(follower), content);
        OperationAnswer.ReadAll(answers);
        var decoder = new GroupStateDecoder(FuzzBatches.Limits);
        decoder.Add(content);
        RequireSame(content, Encode(decoder.Complete()));
    }

    // A state and its writers take some KiB of their own; answers carry values again and again.
    public override long AllocationBound(int inputLength) => 64_000 + (400L * inputLength);

    /// <summary>A group with two sessions and a few keys.</summary>
    public static GroupState MakeState()
    {
        var state = new GroupState(Descriptor, FuzzBatches.Limits);
        var writer = new CommandBatchWriter();
        writer.AddUnsessioned(Operation.OpenSession(1000));
        writer.AddUnsessioned(Operation.OpenSession(10));
        writer.Add(FuzzBatches.SessionOf(1), 1, 0, Operation.Put(ColumnFamily.Default, "a"u8, "1"u8));
        writer.Add(FuzzBatches.SessionOf(1), 2, 0, Operation.Put(ColumnFamily.Lock, "b"u8, "2"u8));
        writer.Add(FuzzBatches.SessionOf(1), 3, 0, Operation.CompareAndSet(ColumnFamily.Default, "a"u8, [9], null));
        state.Apply(Entry(state, writer.ToArray()), null);
        return state;
    }

    public static LogEntry Entry(GroupState state, byte[] payload) =>
        new(new Term(1), state.LastApplied.Index.Next(), EntryKind.Command, payload);

    public static byte[] Encode(GroupState state)
    {
        var encoder = new GroupStateEncoder(state.Snapshot());
        var content = new MemoryStream();
        byte[] piece = new byte[1000];
        for (int filled = encoder.Fill(piece); filled > 0; filled = encoder.Fill(piece))
            content.Write(piece, 0, filled);
        return content.ToArray();
    }
}

/// <summary>The content of a snapshot, from disk or from a leader, in pieces: rows, sessions and their kept
/// answers.</summary>
internal sealed class SnapshotContentTarget : FuzzTarget
{
    public override string Name => "snapshot-content";

    public override byte[] Generate(FuzzRandom random)
    {
        GroupState state = ApplyTarget.MakeState();
        for (int left = random.Below(4); left > 0; left--)
            state.Apply(ApplyTarget.Entry(state, random.OneIn(3)
                ? Alone(FuzzBatches.MergeStep(random))
                : FuzzBatches.Commands(random)), null);
        return ApplyTarget.Encode(state);
    }

    public override Reading Read(byte[] input)
    {
        var decoder = new GroupStateDecoder(FuzzBatches.Limits);
        int piece = 1 + (input.Length * 7 % 61);
        try
        {
            for (int at = 0; at < input.Length; at += piece)
                decoder.Add(input.AsSpan(at, Math.Min(piece, input.Length - at)));
            return new Reading(true, decoder.Complete());
        }
        catch (InvalidDataException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is GroupState state) RequireSame(input, ApplyTarget.Encode(state));
    }

    private static byte[] Alone(byte[] operation)
    {
        var writer = new CommandBatchWriter();
        writer.AddUnsessioned(operation);
        return writer.ToArray();
    }

    // A session of 36 bytes becomes one of some hundred with room for its window; a row of 9 one of a hundred.
    public override long AllocationBound(int inputLength) => 32_000 + (40L * inputLength);
}
