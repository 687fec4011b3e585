using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Carrying out merges on this node's replicas.</content>
internal sealed partial class NodeMeta
{
    int IMergeNode.MostChunkBytes =>
        Math.Min(_host.ReplicaOptions.SnapshotChunkBytes, MergeContent.MaxChunkBytes);

    async Task<MergeCut> IMergeNode.CutAsync(MergeOrder order)
    {
        if (_host.Find(order.Group) is not { StopReason: null } leader) return default;
        MergeAnswer frozen = await leader.FreezeAsync(order.Merge, order.Target, order.RangeVersion);
        return frozen.Status switch
        {
            MergeStatus.Done => new MergeCut(await leader.CutForMergeAsync(order.Merge), null),
            MergeStatus.Refused => new MergeCut(null, frozen.Reason ?? $"{order.Group} cannot be frozen"),
            _ => default,
        };
    }

    /// <summary>Takes a part of what a neighbour of a group led here has and, when it was the last, all of it.</summary>
    private async Task AbsorbAsync(NodeName from, MergePart part) => Send(from, await AbsorbAsync(part));

    private async Task<MergeReply> AbsorbAsync(MergePart part)
    {
        MergeId merge = part.Chunk.Merge;
        if (_host.Find(part.Target) is not { StopReason: null } leader)
            return new MergeReply(merge, MergeReplyStatus.Elsewhere, 0, $"{part.Target} is not led here");
        MergeAnswer answer = await leader.AbsorbAsync(part.Chunk);
        bool isComplete = answer.Status == MergeStatus.Done && answer.State.Incoming is { IsComplete: true } complete
            && complete.Merge == merge;
        if (isComplete) answer = await leader.TakeOverAsync(merge);
        // The sooner the controller hears of it, the sooner the other group's replicas go.
        if (HasEnded(answer, merge)) Agent.NoteChange();
        long next = answer.State.Incoming is { } incoming && incoming.Merge == merge ? incoming.NextOffsetBytes : 0;
        MergeReplyStatus status = answer.Status switch
        {
            _ when HasEnded(answer, merge) => MergeReplyStatus.Over,
            MergeStatus.Done when !isComplete => MergeReplyStatus.Wanted,
            // What comes before it is missing.
            MergeStatus.Refused when part.Chunk.OffsetBytes > next => MergeReplyStatus.Wanted,
            MergeStatus.Refused => MergeReplyStatus.Refused,
            _ => MergeReplyStatus.Elsewhere,
        };
        return new MergeReply(merge, status, next, answer.Reason ?? $"{part.Target}: {answer.Status}");
    }

    private static bool HasEnded(MergeAnswer answer, MergeId merge) => answer.State.Last >= merge;

    private static string Describe(MergeAnswer answer) =>
        answer.Reason is { } reason ? $"{answer.Status}: {reason}" : $"{answer.Status}: {answer.State.Outcome}";
}
