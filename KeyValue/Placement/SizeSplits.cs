using System.Globalization;

namespace Orleans.Raft.KeyValue;

/// <summary>Divides groups that are too large or too busy.</summary>
internal sealed class SizeSplits(PlacementRound round)
{
    public void Run()
    {
        int groups = round.Groups.Count(group => !group.IsMeta);
        foreach (ModelGroup group in round.Groups)
        {
            if (groups >= StoreNodeOptions.MaxGroups) return;
            if (group.IsMeta || group.Leader is null || round.IsChanging(group)) continue;
            if (ReasonFor(group) is not var (key, reason)) continue;
            round.Take(new SplitDecision(group.Group, group.Descriptor.RangeVersion, key, reason));
            groups++;
        }
    }

    private (byte[]? Key, string Reason)? ReasonFor(ModelGroup group)
    {
        PlacementOptions options = round.Options;
        if (group.Bytes > options.SplitBytes)
            return (null, $"it has {group.Bytes} bytes, more than {options.SplitBytes}");
        if (group.OperationsPerSecond > options.SplitOperationsPerSecond && group.LoadSplitKey is { } key)
            return (key, string.Create(CultureInfo.InvariantCulture,
                $"it serves {group.OperationsPerSecond:F0} operations per second, more than "
                + $"{options.SplitOperationsPerSecond:F0}"));
        return null;
    }
}
