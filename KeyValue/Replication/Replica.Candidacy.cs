using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <content>
/// Which replica leads first, where nobody leads: one that is expected to asks for votes before chance decides. So groups
/// begin with leaders spread over the nodes, and keep them when the whole cluster is started anew.
/// </content>
public sealed partial class Replica
{
    // The others may come up a little later, so it asks more than once, ever more rarely.
    private int _campaignsLeft;
    private TimeSpan _campaignAt;
    private TimeSpan _campaignPause;

    /// <summary>When it should ask for votes; null if others are as good.</summary>
    private static TimeSpan? FirstCampaignAt(StoreNode host, OwnReplica own, RecoveredReplica recovered)
    {
        if (own.Base is not null && recovered.Snapshot is null)
        {
            // Beside the leader of the group that was split, which serves these keys until now.
            return own.IsBesideLeader ? host.Now : null;
        }
        HardState state = recovered.State.HardState;
        // The group has just been formed, with its first replicas on all nodes in turn.
        if (state.Term == Term.Zero)
            return own.Start is { } start && start.Replicas.All(replica => own.Id <= replica.Id) ? host.Now : null;
        // It led, or was about to. The others keep their promises for an election timeout.
        return state.VotedFor == own.Id ? host.Now + host.ReplicaOptions.ElectionTimeout : null;
    }

    private void CampaignIfExpected()
    {
        if (_campaignsLeft == 0 || _host.Now < _campaignAt) return;
        if (_node.Role == Role.Leader || !_node.Leader.IsNone)
        {
            _campaignsLeft = 0;
            return;
        }
        _campaignsLeft--;
        _campaignAt = _host.Now + _campaignPause;
        _campaignPause *= 2;
        _node.CampaignNow(_host.Now);
    }

    private void ExpectToLead(TimeSpan from)
    {
        const int MostCampaigns = 5;
        _campaignsLeft = MostCampaigns;
        _campaignAt = from;
        _campaignPause = _options.HeartbeatInterval / 2;
    }
}
