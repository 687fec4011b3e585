using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Evens out zones, then numbers of replicas, then bytes. Only what improves moves, and no group's zones are
/// given up for it.</summary>
internal sealed class ReplicaBalance
{
    // A replica that closes less than a quarter of a difference in bytes is not worth its way.
    private const double WorthwhileShare = 0.125;

    private readonly PlacementRound _round;
    private readonly ModelGroup[] _movable;
    private readonly int _zones;

    // A replica is to move for the numbers' sake, and there is no room for it now.
    private bool _mustWait;

    public ReplicaBalance(PlacementRound round)
    {
        _round = round;
        _zones = round.Targets.Select(node => node.Zone).Distinct().Count();
        _movable =
        [
            .. round.Groups.Where(group => !group.IsMeta && group.Leader is not null && !round.IsChanging(group)
                && PlacementRound.Voters(group).All(voter => round.IsAlive(group, voter))),
        ];
    }

    public void Run()
    {
        while (_round.HasFreeMove && (SpreadZones() || EvenReplicas() || EvenBytes()))
        {
        }
    }

    private IEnumerable<ModelGroup> Movable => _movable.Where(group => !_round.IsChanging(group));

    /// <summary>One replica into a zone where its group has none.</summary>
    private bool SpreadZones()
    {
        foreach (ModelGroup group in Movable)
        {
            int zones = _round.ZonesWith(group, null, null);
            if (zones >= Math.Min(_zones, group.Descriptor.Replicas.Count)) continue;
            ReplicaPlacement[] voters = PlacementRound.Voters(group);
            IEnumerable<(NodeName From, RoundNode To)> better = voters
                .SelectMany(voter => _round.Targets.Select(node => (From: voter.Node, To: node)))
                .Where(way => !PlacementRound.HasMemberOn(group, way.To.Name)
                    && _round.ZonesWith(group, way.From, way.To.Name) > zones)
                .OrderBy(way => way.To.Replicas).ThenBy(way => way.To.Bytes).ThenBy(way => way.To.Name)
                .ThenBy(way => way.From == group.Leader)
                .ThenByDescending(way => _round.Node(way.From).Replicas).ThenBy(way => way.From);
            foreach ((NodeName from, RoundNode to) in better)
            {
                if (!_round.HasRoom(group, to)) continue;
                string zone = to.Zone.Length == 0 ? "without a name" : to.Zone;
                _round.Move(group, from, to, $"it has no replica in zone {zone}");
                return true;
            }
        }
        return false;
    }

    /// <summary>One replica from the node that has most to that which has fewest. If that has to wait for another
    /// move, nothing else is moved instead.</summary>
    private bool EvenReplicas()
    {
        foreach (RoundNode to in _round.Targets.OrderBy(node => node.Replicas).ThenBy(node => node.Bytes)
            .ThenBy(node => node.Name))
        {
            foreach (RoundNode from in _round.Targets.Where(node => node.Replicas >= to.Replicas + 2)
                .OrderByDescending(node => node.Replicas).ThenByDescending(node => node.Bytes)
                .ThenBy(node => node.Name))
            {
                ModelGroup[] candidates = [.. Movable.Where(group => CanMove(group, from, to))];
                if (candidates.Length == 0) continue;
                ModelGroup? chosen = candidates.Where(group => _round.HasRoom(group, to))
                    .OrderBy(group => Math.Abs(from.Bytes - to.Bytes - 2 * group.Bytes))
                    .ThenBy(group => group.Leader == from.Name).ThenBy(group => group.Group).FirstOrDefault();
                if (chosen is null)
                {
                    _mustWait = true;
                    continue;
                }
                _round.Move(chosen, from.Name, to,
                    $"{from.Name} has {from.Replicas} replicas and {to.Name} has {to.Replicas}");
                return true;
            }
            if (_mustWait) return false;
        }
        return false;
    }

    private bool EvenBytes()
    {
        if (_mustWait) return false;
        foreach (RoundNode from in _round.Targets.OrderByDescending(node => node.Bytes).ThenBy(node => node.Name))
        {
            foreach (RoundNode to in _round.Targets.OrderBy(node => node.Bytes).ThenBy(node => node.Name))
            {
                long difference = from.Bytes - to.Bytes;
                if (difference <= _round.Options.ImbalanceBytesTolerated
                    || from.Bytes <= to.Bytes * (1 + _round.Options.ImbalanceTolerated))
                    break;
                string reason = $"{from.Name} holds {from.Bytes} bytes and {to.Name} {to.Bytes}";
                bool moved = from.Replicas == to.Replicas + 1
                    ? MoveBytes(from, to, difference, reason)
                    : Math.Abs(from.Replicas - to.Replicas) <= 1 && SwapBytes(from, to, difference, reason);
                if (moved) return true;
            }
        }
        return false;
    }

    private bool MoveBytes(RoundNode from, RoundNode to, long difference, string reason)
    {
        ModelGroup? chosen = Movable
            .Where(group => CanMove(group, from, to) && _round.HasRoom(group, to)
                && IsWorthwhile(group.Bytes, difference))
            .OrderBy(group => Math.Abs(difference - 2 * group.Bytes)).ThenBy(group => group.Group).FirstOrDefault();
        if (chosen is null) return false;
        _round.Move(chosen, from.Name, to, reason);
        return true;
    }

    /// <summary>A large group for a small one, so that the numbers of replicas stay even.</summary>
    private bool SwapBytes(RoundNode from, RoundNode to, long difference, string reason)
    {
        ModelGroup[] small =
        [
            .. Movable.Where(group => CanMove(group, to, from) && _round.HasRoom(group, from))
                .OrderBy(group => group.Bytes).ThenBy(group => group.Group),
        ];
        if (small.Length == 0) return false;
        long[] sizes = [.. small.Select(group => group.Bytes)];
        (ModelGroup Large, ModelGroup Small, long Off)? best = null;
        foreach (ModelGroup large in Movable.Where(group => CanMove(group, from, to) && _round.HasRoom(group, to)))
        {
            int at = Array.BinarySearch(sizes, large.Bytes - difference / 2);
            if (at < 0) at = ~at;
            for (int i = Math.Max(0, at - 1); i <= at && i < small.Length; i++)
            {
                long gain = large.Bytes - sizes[i];
                long off = Math.Abs(difference - 2 * gain);
                if (IsWorthwhile(gain, difference) && (best is null || off < best.Value.Off))
                    best = (large, small[i], off);
            }
        }
        if (best is not { } swap || !HasRoomForBoth(swap.Large, swap.Small, from, to)) return false;
        _round.Move(swap.Large, from.Name, to, reason);
        _round.Move(swap.Small, to.Name, from, $"{reason}; it makes room for {swap.Large.Group}");
        return true;
    }

    /// <summary>Half a swap would only be undone.</summary>
    private bool HasRoomForBoth(ModelGroup large, ModelGroup small, RoundNode from, RoundNode to)
    {
        PlacementOptions options = _round.Options;
        var moves = new Dictionary<NodeName, int>();
        foreach ((ModelGroup group, RoundNode target) in new[] { (large, to), (small, from) })
        {
            moves[target.Name] = moves.GetValueOrDefault(target.Name, target.Moves) + 1;
            if (group.Leader is { } leader && leader != target.Name)
                moves[leader] = moves.GetValueOrDefault(leader, _round.Node(leader).Moves) + 1;
        }
        return _round.FreeMoves >= 2 && moves.Values.All(count => count <= options.MaxMovesPerNode);
    }

    private bool CanMove(ModelGroup group, RoundNode from, RoundNode to) =>
        PlacementRound.HasMemberOn(group, from.Name) && !PlacementRound.HasMemberOn(group, to.Name)
        && _round.ZonesWith(group, from.Name, to.Name) >= _round.ZonesWith(group, null, null);

    private static bool IsWorthwhile(long bytes, long difference) =>
        bytes >= difference * WorthwhileShare && bytes <= difference * (1 - WorthwhileShare);
}
