namespace Orleans.Raft.KeyValue;

/// <summary>Makes one group of two small neighbours: one pair at a time, and none that was changed a moment ago or would
/// soon be split again.</summary>
internal sealed class SmallMerges(PlacementRound round)
{
    /// <summary>What was changed by a split, a merge or a move shows only later how it will be.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromMinutes(1);

    public void Run()
    {
        if (round.Options.MergeBytes <= 0 || round.Groups.Any(group => group.IsMerging)) return;
        ModelGroup[] groups =
        [
            .. round.Groups.Where(group => !group.IsMeta).OrderBy(group => group.Descriptor.Start,
                Comparer<byte[]>.Create((left, right) => left.AsSpan().SequenceCompareTo(right))),
        ];
        (ModelGroup Left, ModelGroup Right)? smallest = null;
        for (int i = 1; i < groups.Length; i++)
        {
            (ModelGroup left, ModelGroup right) = (groups[i - 1], groups[i]);
            if (!AreSmall(left, right) || !MayMerge(left) || !MayMerge(right)) continue;
            if (smallest is null || Bytes(left, right) < Bytes(smallest.Value.Left, smallest.Value.Right))
                smallest = (left, right);
        }
        if (smallest is not var (one, other)) return;
        (ModelGroup source, ModelGroup target) = one.Bytes < other.Bytes ? (one, other) : (other, one);
        round.Merge(source, target,
            $"together they have {Bytes(one, other)} bytes, less than {round.Options.MergeBytes}");
    }

    private bool AreSmall(ModelGroup left, ModelGroup right) =>
        left.Descriptor.End.Length > 0 && left.Descriptor.End.AsSpan().SequenceEqual(right.Descriptor.Start)
        && Bytes(left, right) < round.Options.MergeBytes
        // Sessions and what stands beside each row travel, too.
        && Math.Min(left.Bytes, right.Bytes) <= MergeContent.MaxBytes / 2
        // Far from where load splits a group.
        && left.OperationsPerSecond + right.OperationsPerSecond < round.Options.SplitOperationsPerSecond / 2;

    private bool MayMerge(ModelGroup group) => group.Leader is not null && group.UnchangedFor >= Rest
        && !round.IsChanging(group) && PlacementRound.Voters(group).All(voter => round.IsAlive(group, voter));

    private static long Bytes(ModelGroup left, ModelGroup right) => left.Bytes + right.Bytes;
}
