using System.Diagnostics;
using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>Finishes what is under way, and gives every group its replicas on nodes that stay.</summary>
internal sealed class GroupRepair(PlacementRound round)
{
    private bool _needsMove;

    /// <summary>Whether a group gets, or waits for, a replica that it needs.</summary>
    public bool Run()
    {
        foreach (ModelGroup group in round.Groups)
        {
            // Nobody could carry it out; or the core ends it by itself.
            if (group.Leader is null || PlacementRound.IsJoint(group) || group.IsMerging) continue;
            if (EndMove(group)) continue;
            if (FinishLearner(group)) continue;
            if (group.Move is { } move) Repeat(group, move);
            else Repair(group);
        }
        return _needsMove;
    }

    /// <summary>Closes a planned move that has arrived or cannot arrive any more.</summary>
    private bool EndMove(ModelGroup group)
    {
        if (group.Move is not { } move) return false;
        ReplicaPlacement? there = On(group, move.To);
        bool isGone = move.From is not { } from || On(group, from) is null;
        if (there is { Role: ReplicaRole.Voter } && isGone)
        {
            round.Take(new EndMoveDecision(group.Group, HasArrived: true, $"the replica on {move.To} votes"));
            return true;
        }
        string? problem = there is { Role: ReplicaRole.Voter } ? $"{move.To} holds a voter, {move.From} as well"
            : there is not null ? null
            : round.Node(move.To).State is not (NodeState.Up or NodeState.Suspect)
            ? $"{move.To} is {Word(round.Node(move.To).State)}"
            : isGone && move.From is not null ? $"{move.From} holds no replica any more"
            : null;
        if (problem is null) return false;
        round.Uncount(group, move);
        round.Take(new EndMoveDecision(group.Group, HasArrived: false, problem));
        return true;
    }

    private bool FinishLearner(ModelGroup group)
    {
        if (PlacementRound.FirstLearner(group.Descriptor) is not { } learner) return false;
        ulong version = group.Descriptor.ConfigVersion;
        NodeState state = round.Node(learner.Node).State;
        ReplicaPlacement[] voters = PlacementRound.Voters(group);
        ReplicaPlacement? leaving = Leaving(group, voters);
        if (state is NodeState.Gone or NodeState.Removed or NodeState.Draining)
        {
            round.Take(new RemoveReplicaDecision(
                group.Group, version, learner.Id, $"its node {learner.Node} is {Word(state)}"));
        }
        else if (leaving is null && voters.Length >= round.Options.ReplicaCount)
        {
            round.Take(new RemoveReplicaDecision(
                group.Group, version, learner.Id, $"{voters.Length} replicas vote, and none of them is to go"));
        }
        else if (PlacementRound.IsCaughtUp(group, learner) && round.IsAlive(group, learner))
        {
            Promote(group, learner, leaving, voters);
        }
        else if (group.LearnsFor >= round.Options.CatchUpWithin) GiveUp(group, learner);
        return true;
    }

    /// <summary>A learner that never catches up would be in the way of all other moves.</summary>
    private void GiveUp(ModelGroup group, ReplicaPlacement learner)
    {
        string reason = $"{learner.Node} has not caught up within {round.Options.CatchUpWithin}";
        round.Take(new RemoveReplicaDecision(group.Group, group.Descriptor.ConfigVersion, learner.Id, reason)
        {
            GaveUpOn = learner.Node,
        });
    }

    private void Promote(
        ModelGroup group, ReplicaPlacement learner, ReplicaPlacement? leaving, ReplicaPlacement[] voters)
    {
        ReplicaPlacement[] after = [.. voters.Where(voter => voter != leaving), learner];
        if (!round.HasMajority(group, after)) return;
        if (leaving is { } leader && leader.Node == group.Leader)
        {
            // A leader may remove itself, but then its group waits for an election.
            RoundNode? heir = Heir(group, leader.Node);
            if (heir is not null)
            {
                round.Transfer(group, heir, $"its leader on {leader.Node} is about to go");
                return;
            }
        }
        string reason = leaving is { } old
            ? $"{learner.Node} has caught up and takes the place of {old.Node}"
            : $"{learner.Node} has caught up";
        round.Take(new PromoteDecision(
            group.Group, group.Descriptor.ConfigVersion, learner.Id, leaving?.Id ?? ReplicaId.None, reason));
    }

    /// <summary>The order may be lost; given twice it is carried out once, for it names the configuration.</summary>
    private void Repeat(ModelGroup group, PlannedMove move) => round.Take(new AddLearnerDecision(
        group.Group, group.Descriptor.ConfigVersion, move.To, move.From, move.Reason));

    private void Repair(ModelGroup group)
    {
        ReplicaPlacement[] voters = PlacementRound.Voters(group);
        if (voters.Length > round.Options.ReplicaCount) RemoveSurplus(group, voters);
        else if (Worst(voters) is { } bad)
        {
            if (!StartMove(group, bad.Node, $"{bad.Node} is {Word(round.Node(bad.Node).State)}"))
                RemoveLost(group, voters, bad);
        }
        else if (voters.Length < round.Options.ReplicaCount)
        {
            StartMove(group, null, $"it has {voters.Length} of {round.Options.ReplicaCount} replicas");
        }
    }

    /// <summary>False if there is no place at all; if there is no room for a move now, the group waits.</summary>
    private bool StartMove(ModelGroup group, NodeName? from, string reason)
    {
        if (round.FindPlace(group, from) is not { } best) return false;
        _needsMove = true;
        int zones = round.ZonesWith(group, from, best.Name);
        RoundNode? free = round.Targets
            .Where(node => !PlacementRound.HasMemberOn(group, node.Name) && round.HasRoom(group, node)
                && round.ZonesWith(group, from, node.Name) == zones)
            .OrderBy(node => node.Name == group.GaveUpOn)
            .ThenBy(node => node.Replicas).ThenBy(node => node.Bytes).ThenBy(node => node.Name).FirstOrDefault();
        if (free is not null) round.Move(group, from, free, reason);
        return true;
    }

    /// <summary>A replica that was lost for good holds up its group's majority and, by its node's name, its own
    /// successor: where there is no place for another, it goes first.</summary>
    private void RemoveLost(ModelGroup group, ReplicaPlacement[] voters, ReplicaPlacement lost)
    {
        if (round.Node(lost.Node) is not { State: NodeState.Removed, IsAlive: false }) return;
        if (!round.HasMajority(group, [.. voters.Where(voter => voter != lost)])) return;
        round.Take(new RemoveReplicaDecision(group.Group, group.Descriptor.ConfigVersion, lost.Id,
            $"{lost.Node} is removed, and there is no other place"));
    }

    private void RemoveSurplus(ModelGroup group, ReplicaPlacement[] voters)
    {
        ReplicaPlacement? chosen = voters
            .Where(voter => round.HasMajority(group, [.. voters.Where(other => other != voter)]))
            .OrderByDescending(voter => Badness(voter))
            .ThenByDescending(voter => round.ZonesWith(group, voter.Node, null))
            .ThenBy(voter => voter.Node == group.Leader)
            .ThenByDescending(voter => round.Node(voter.Node).Replicas)
            .ThenByDescending(voter => round.Node(voter.Node).Bytes).ThenBy(voter => voter.Node)
            .Select(voter => (ReplicaPlacement?)voter).FirstOrDefault();
        if (chosen is not { } surplus) return;
        if (surplus.Node == group.Leader && Heir(group, surplus.Node) is { } heir)
        {
            round.Transfer(group, heir, $"its leader on {surplus.Node} is about to go");
            return;
        }
        round.Take(new RemoveReplicaDecision(group.Group, group.Descriptor.ConfigVersion, surplus.Id,
            $"it has {voters.Length} replicas instead of {round.Options.ReplicaCount}; that on {surplus.Node} goes"));
    }

    /// <summary>Who makes way for a learner: the one it was planned for, else one whose node does not stay.</summary>
    private ReplicaPlacement? Leaving(ModelGroup group, ReplicaPlacement[] voters)
    {
        if (group.Move?.From is { } from)
        {
            foreach (ReplicaPlacement voter in voters)
                if (voter.Node == from) return voter;
        }
        return Worst(voters);
    }

    private ReplicaPlacement? Worst(ReplicaPlacement[] voters) => voters
        .Where(voter => Badness(voter) > 0)
        .OrderByDescending(Badness).ThenBy(voter => voter.Node)
        .Select(voter => (ReplicaPlacement?)voter).FirstOrDefault();

    private int Badness(ReplicaPlacement voter) => round.Node(voter.Node) switch
    {
        { State: NodeState.Removed, IsAlive: false } => 4,
        { State: NodeState.Gone } => 3,
        { State: NodeState.Removed } => 2,
        { State: NodeState.Draining } => 1,
        _ => 0,
    };

    /// <summary>Who may lead best in place of the replica on <paramref name="old"/>.</summary>
    private RoundNode? Heir(ModelGroup group, NodeName old) => group.Descriptor.Replicas
        .Where(r => r.Node != old && r.Role == ReplicaRole.Voter && PlacementRound.IsCaughtUp(group, r)
            && round.IsAlive(group, r))
        .Select(r => round.Node(r.Node)).Where(node => node.State == NodeState.Up)
        .OrderBy(node => node.Leaders).ThenBy(node => node.Name).FirstOrDefault();

    private static ReplicaPlacement? On(ModelGroup group, NodeName node)
    {
        foreach (ReplicaPlacement replica in group.Descriptor.Replicas)
            if (replica.Node == node) return replica;
        return null;
    }

    internal static string Word(NodeState state) => state switch
    {
        NodeState.Up => "up",
        NodeState.Suspect => "suspected",
        NodeState.Gone => "gone",
        NodeState.Draining => "being drained",
        NodeState.Removed => "removed",
        _ => throw new UnreachableException(),
    };
}
