using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>One thing that happened to a replica, waiting in its inbox for the replica's turn.</summary>
internal abstract class ReplicaInput
{
    public abstract void Apply(Replica replica);

    /// <summary>What to do instead when the replica has stopped.</summary>
    public virtual void Abandon(Replica replica)
    {
    }
}

internal sealed class PeerMessageInput(ReplicaId from, NodeName sender, RaftMessage message) : ReplicaInput
{
    private const int OverheadBytes = 128;
    private const int EntryOverheadBytes = 40;

    /// <summary>What it takes in memory, about.</summary>
    public long SizeBytes { get; } = SizeOf(message);

    public override void Apply(Replica replica) => replica.OnMessage(from, sender, message);

    private static long SizeOf(RaftMessage message)
    {
        long bytes = OverheadBytes;
        if (message is SnapshotChunk chunk) bytes += chunk.Data.Length;
        else if (message is AppendEntries append)
            foreach (ref readonly LogEntry entry in append.Entries.Span)
                bytes += EntryOverheadBytes + entry.Payload.Length;
        return bytes;
    }
}

internal sealed class TickInput : ReplicaInput
{
    public static readonly TickInput Instance = new();

    public override void Apply(Replica replica) => replica.OnTick();
}

/// <summary>A node that a silent replica watches is suspected, came back or was started anew.</summary>
internal sealed class NodeChangedInput : ReplicaInput
{
    public static readonly NodeChangedInput Instance = new();

    public override void Apply(Replica replica) => replica.OnNodeChanged();
}

internal sealed class PersistedInput(ulong number) : ReplicaInput
{
    public override void Apply(Replica replica) => replica.OnPersisted(number);
}

internal sealed class StorageFailedInput(Exception failure) : ReplicaInput
{
    public override void Apply(Replica replica) =>
        throw new ReplicaStoppedException($"its storage failed: {failure.Message}", failure);
}

/// <summary>Somebody wants something of the replica and waits for the answer.</summary>
internal abstract class AskedInput<T> : ReplicaInput
{
    private readonly TaskCompletionSource<T> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Result => _result.Task;

    public void End(T answer) => _result.TrySetResult(answer);
}

/// <summary>Somebody wants another leader.</summary>
internal sealed class TransferInput(NodeName target) : AskedInput<TransferStatus>
{
    public override void Apply(Replica replica) => End(replica.OnTransfer(target));

    public override void Abandon(Replica replica) => End(TransferStatus.Unavailable);
}

/// <summary>Somebody wants the group split.</summary>
internal sealed class SplitInput(byte[]? key, GroupId child, ulong? rangeVersion) : AskedInput<SplitAnswer>
{
    /// <summary>Null: the middle of its bytes.</summary>
    public byte[]? Key => key;

    public GroupId Child => child;

    /// <summary>What the group's must be; null: any.</summary>
    public ulong? RangeVersion => rangeVersion;

    public override void Apply(Replica replica) => replica.OnSplit(this);

    public override void Abandon(Replica replica) => End(new SplitAnswer(SplitStatus.NotLeader));
}

/// <summary>Somebody wants the next step of a merge.</summary>
internal sealed class MergeInput(byte[] operation, Func<GroupState, bool> isDone, Func<GroupState, string?> whyNot)
    : AskedInput<MergeAnswer>
{
    public byte[] Operation => operation;

    public bool IsDone(GroupState state) => isDone(state);

    /// <summary>Null if nothing speaks against it.</summary>
    public string? WhyNot(GroupState state) => whyNot(state);

    public override void Apply(Replica replica) => replica.OnMergeStep(this);

    public override void Abandon(Replica replica) => End(new MergeAnswer(MergeStatus.NotLeader, replica.Merges));
}

/// <summary>Somebody wants other members.</summary>
internal sealed class MembershipInput(MembershipChange change) : AskedInput<MembershipAnswer>
{
    public override void Apply(Replica replica) => End(replica.OnChangeMembership(change));

    public override void Abandon(Replica replica) =>
        End(new MembershipAnswer(MembershipOutcome.NotLeader, EntryId.Zero, $"{replica.Id} has stopped."));
}

/// <summary>Somebody wants to know something of a replica that works; null if it has stopped.</summary>
internal sealed class QuestionInput<T>(Func<Replica, T?> ask) : AskedInput<T?>
    where T : struct
{
    public override void Apply(Replica replica) => End(ask(replica));

    public override void Abandon(Replica replica) => End(null);
}

/// <summary>A caller's batch; also the promise of its reply.</summary>
internal sealed class RequestInput(GroupRequest request, bool isOwn) : ReplicaInput
{
    private readonly TaskCompletionSource<GroupReply> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public GroupRequest Request { get; } = request;

    /// <summary>It comes from the node itself, not from a client.</summary>
    public bool IsOwn { get; } = isOwn;

    /// <summary>Where a write was appended.</summary>
    public EntryId Entry { get; set; }

    public Task<GroupReply> Reply => _reply.Task;

    public override void Apply(Replica replica) => replica.OnRequest(this);

    public override void Abandon(Replica replica) => replica.Answer(this, GroupReply.Of(GroupReplyStatus.Unavailable));

    /// <summary>False if it was answered before.</summary>
    public bool TryComplete(GroupReply reply) => _reply.TrySetResult(reply);
}

/// <summary>Runs on the replica's turn what an asynchronous piece of work found out.</summary>
/// <param name="evenIfStopped">The action releases something, and must run also when the replica has stopped.</param>
internal sealed class ContinuationInput(Action<Replica> action, bool evenIfStopped = false) : ReplicaInput
{
    public override void Apply(Replica replica) => action(replica);

    public override void Abandon(Replica replica)
    {
        if (evenIfStopped) action(replica);
    }
}

/// <summary>A replica stops for good; the message says why.</summary>
internal sealed class ReplicaStoppedException(string message, Exception? inner = null) : Exception(message, inner);
