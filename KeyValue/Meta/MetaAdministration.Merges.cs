using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Merging two neighbours.</content>
internal sealed partial class MetaAdministration
{
    /// <summary>Names both groups: asked again, whatever became of the answer, it takes in no third.</summary>
    private AdministrationAnswer Merge(MergeGroupsRequest request)
    {
        (GroupId leftId, GroupId rightId) = (request.Left, request.Right);
        if (leftId == GroupId.Meta || rightId == GroupId.Meta)
            return Refused("g0 holds what the cluster knows of itself, and no keys; it is merged with none.");
        if (registry.MergedInto(leftId) == rightId) return Done($"{leftId} is part of {rightId}");
        if (registry.MergedInto(rightId) == leftId) return Done($"{rightId} is part of {leftId}");
        if (!registry.Groups.TryGetValue(leftId, out GroupEntry? left)) return NoSuch(leftId);
        if (!registry.Groups.TryGetValue(rightId, out GroupEntry? right)) return NoSuch(rightId);
        if (registry.MergeOf(leftId) is { } known && known.Row.Concerns(rightId)) return UnderWay(known.Describe());
        // Began and failed, since it was asked for first.
        if (request.IsRepeat && registry.FailureOfMerge(leftId, rightId, now) is { } failure)
            return Refused($"{leftId} and {rightId} go on as they were: {failure}.");
        if (WhyNotNeighbours(left.Descriptor, right.Descriptor) is { } problem) return Refused(problem);
        if ((Obstacle(left) ?? Obstacle(right)) is { } obstacle) return UnderWay(obstacle);
        foreach (GroupId id in new[] { leftId, rightId })
            if (splits.ContainsKey(id)) return UnderWay($"{id} is being split");
        return Merge(left, right);
    }

    private AdministrationAnswer Merge(GroupEntry left, GroupEntry right)
    {
        bool leftEnds = (left.Report?.Bytes ?? 0) < (right.Report?.Bytes ?? 0);
        (GroupEntry source, GroupEntry target) = leftEnds ? (left, right) : (right, left);
        long bytes = source.Report?.Bytes ?? 0;
        if (bytes > MergeContent.MaxBytes)
        {
            return Refused($"{source.Descriptor.Group} is the smaller one and has {bytes} bytes; a group of at most "
                + $"{MergeContent.MaxBytes} can be merged into another.");
        }
        long together = bytes + (target.Report?.Bytes ?? 0);
        if (together > options.SplitBytes)
        {
            return Refused($"Together they have {together} bytes, and a group with more than {options.SplitBytes} would "
                + "be split again.");
        }
        return UnderWay(registry.BeginMerge(source.Descriptor.Group, target.Descriptor.Group, isAsked: true,
            "an administrator asked for it").Describe());
    }

    private static string? WhyNotNeighbours(GroupDescriptor left, GroupDescriptor right)
    {
        if (left.Group == right.Group) return $"{left.Group} cannot be merged with itself; name two groups.";
        if (left.End.Length > 0 && left.End.AsSpan().SequenceEqual(right.Start)) return null;
        return right.End.Length > 0 && right.End.AsSpan().SequenceEqual(left.Start)
            ? $"{right.Group} is on the left of {left.Group}; name it first."
            : $"{right.Group} is not the right neighbour of {left.Group}.";
    }
}
