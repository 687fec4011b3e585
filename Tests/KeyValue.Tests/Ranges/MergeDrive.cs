using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Ranges;

/// <summary>A step of a merge that was asked for.</summary>
internal enum MergeStep
{
    Freeze,
    Absorb,
    TakeOver,
    Abandon,
    Thaw,
}

/// <summary>Does in a merge what the controller and the nodes' agents would: asks for each step until the groups say that it
/// is done, whoever leads them meanwhile.</summary>
internal sealed class MergeDrive(StoreCluster cluster, MergeId merge, GroupId source, GroupId target)
{
    private int _parts;

    /// <summary>Of a part; small, so that there are several.</summary>
    public int ChunkBytes { get; init; } = 400;

    /// <summary>After that long it is given up.</summary>
    public TimeSpan Patience { get; init; } = Seconds(30);

    /// <summary>After so many parts it is given up, too.</summary>
    public int MostParts { get; init; } = int.MaxValue;

    /// <summary>Hears of each step that was done.</summary>
    public Action<MergeStep>? Done { get; init; }

    /// <summary>Ends when the merge has ended for both groups, the source's replicas gone or serving again.</summary>
    public async Task<MergeOutcome> RunAsync()
    {
        TimeSpan end = cluster.Time.Now + Patience;
        ulong? version = null;
        for (; ; await Task.Delay(TimeSpan.FromMilliseconds(20), cluster.Time))
        {
            if (LeaderOf(target) is not { } taking) continue;
            if (taking.Merges.Last == merge)
            {
                if (taking.Merges.Outcome == MergeOutcome.Taken) await RetireAsync();
                else await ThawAsync();
                return taking.Merges.Outcome;
            }
            if (cluster.Time.Now >= end || _parts >= MostParts)
            {
                if (await AskAsync(taking.AbandonAsync(merge)) == MergeStatus.Done) Done?.Invoke(MergeStep.Abandon);
            }
            else if (LeaderOf(source) is { } giving)
            {
                version ??= giving.Descriptor.RangeVersion;
                await GiveAsync(giving, taking, version.Value);
            }
        }
    }

    /// <summary>Removes the source's replicas from the nodes that are up.</summary>
    public async Task RetireAsync()
    {
        foreach (StoreNode node in cluster.Nodes.Values.ToArray())
            if (node.Find(source) is { } replica) await node.RetireReplicaAsync(source, replica.Id);
    }

    private async Task GiveAsync(Replica giving, Replica taking, ulong version)
    {
        bool wasFrozen = giving.Merges.Frozen is not null;
        if (await AskAsync(giving.FreezeAsync(merge, target, version)) != MergeStatus.Done) return;
        if (!wasFrozen) Done?.Invoke(MergeStep.Freeze);
        if (await Attempt.WithinAsync(giving.CutForMergeAsync(merge), null, Seconds(1), cluster.Time) is not { } content)
            return;
        while (_parts < MostParts && content.ChunkAt(taking.Merges.Incoming?.NextOffsetBytes ?? 0, ChunkBytes) is { } chunk)
        {
            if (await AskAsync(taking.AbsorbAsync(chunk)) != MergeStatus.Done) return;
            _parts++;
            Done?.Invoke(MergeStep.Absorb);
        }
        if (_parts >= MostParts) return;
        if (await AskAsync(taking.TakeOverAsync(merge)) == MergeStatus.Done) Done?.Invoke(MergeStep.TakeOver);
    }

    private async Task ThawAsync()
    {
        for (; ; await Task.Delay(TimeSpan.FromMilliseconds(20), cluster.Time))
        {
            if (LeaderOf(source) is not { } giving || await AskAsync(giving.ThawAsync(merge)) != MergeStatus.Done) continue;
            Done?.Invoke(MergeStep.Thaw);
            return;
        }
    }

    private async Task<MergeStatus> AskAsync(Task<MergeAnswer> step) =>
        (await Attempt.WithinAsync(step, new MergeAnswer(MergeStatus.Unknown, MergeState.None), Seconds(1), cluster.Time))
            .Status;

    private Replica? LeaderOf(GroupId group) =>
        cluster.LeaderOf(group) is { } node ? cluster.Nodes[node].Find(group) : null;
}
