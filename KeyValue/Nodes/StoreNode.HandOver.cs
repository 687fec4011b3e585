using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>A node that is about to stop hands over what it leads, so that nobody has to wait for an election.</content>
public sealed partial class StoreNode
{
    // Of each group, until when the last one that was asked has time to lead it.
    private readonly Dictionary<GroupId, TimeSpan> _handedOver = [];

    /// <summary>
    /// Asks for every group that is led here that another node leads it. To be called again and again, by one caller,
    /// until the node stops: a follower may fall behind or go, and others may hand over to this node meanwhile.
    /// </summary>
    /// <param name="leaves">Of other nodes those that are about to stop, too, and are not to lead. Null: none.</param>
    /// <returns>How many groups are led here that have a voter elsewhere.</returns>
    public int HandOver(Func<NodeName, bool>? leaves = null)
    {
        int left = 0;
        foreach (Replica replica in Replicas)
        {
            if (replica.StopReason is not null || replica.Status.Role != "leader") continue;
            if (!replica.Descriptor.Replicas.Any(MayLead)) continue;
            left++;
            if (_handedOver.TryGetValue(replica.Group, out TimeSpan until) && Now < until) continue;
            if (HeirOf(replica, leaves) is not { } heir) continue;
            _handedOver[replica.Group] = Now + _options.Replica.ElectionTimeout;
            _ = replica.TransferLeadershipAsync(heir);
        }
        return left;
    }

    /// <summary>Of the voters elsewhere that have everything, the one that was heard last; null while there is
    /// none.</summary>
    private NodeName? HeirOf(Replica replica, Func<NodeName, bool>? leaves)
    {
        if (replica.Report is not { } report) return null;
        NodeName? heir = null;
        TimeSpan shortest = TimeSpan.MaxValue;
        foreach (ModelMember member in report.Members)
        {
            ReplicaPlacement place = report.Descriptor.Replicas.FirstOrDefault(r => r.Id == member.Id);
            if (!MayLead(place) || !member.IsCaughtUp || Liveness.IsSuspected(place.Node)) continue;
            if (member.SilentFor >= shortest || leaves?.Invoke(place.Node) == true) continue;
            (heir, shortest) = (place.Node, member.SilentFor);
        }
        return heir;
    }

    private bool MayLead(ReplicaPlacement place) => !place.Id.IsNone && place.Node != Name
        && place.Role is ReplicaRole.Voter or ReplicaRole.Incoming;
}
