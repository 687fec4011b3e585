using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Who belongs to the group: changing it, telling those who do not any more, and leaving. Raft §6; Thesis
/// §4.</content>
public sealed partial class Replica
{
    // Where those write from whom no configuration known here names.
    private readonly Dictionary<ReplicaId, NodeName> _strangers = [];
    private long _misplaced;
    private TimeSpan _askAt;

    // Why it goes as soon as it can; null while it belongs to the group.
    private string? _leaving;

    /// <summary>Means nothing to any core. A member answers a replica that was removed, whatever it says: so this asks
    /// whether one still belongs.</summary>
    internal static RaftMessage MembershipQuestion { get; } = new HeartbeatReply(new Term(1), 0, LogIndex.Zero);

    /// <summary>
    /// Begins a change of the group's members; see <see cref="RaftNode.ChangeMembership"/>. Ids of new replicas must be
    /// above <see cref="GroupDescriptor.HighestReplica"/>. <see cref="Descriptor"/> tells what became of it. Never
    /// throws; a replica that has stopped answers <see cref="MembershipOutcome.NotLeader"/>.
    /// </summary>
    public Task<MembershipAnswer> ChangeMembershipAsync(MembershipChange change)
    {
        ArgumentNullException.ThrowIfNull(change);
        var input = new MembershipInput(change);
        Post(input);
        return input.Result;
    }

    internal MembershipAnswer OnChangeMembership(MembershipChange change)
    {
        // A leader that was silent is ready only when its members have answered it: who asks again must find it awake.
        StayAwake(4 * _options.ElectionTimeout);
        return _node.ChangeMembership(change, _host.Now);
    }

    /// <summary>False if the message is not for the core: its sender is not who it says, or it was the word of a
    /// removal.</summary>
    private bool TakesFrom(ReplicaId from, NodeName sender, RaftMessage message)
    {
        if (NodeOf(from) is not { } known)
        {
            _strangers[from] = sender;
        }
        // A node speaks only for its own replicas.
        else if (known != sender)
        {
            _misplaced++;
            TellIfElsewhere(from, sender, message);
            return false;
        }
        if (message is ReplicaRemoved removed)
        {
            OnReplicaRemoved(from, removed);
            return false;
        }
        TellIfRemoved(from);
        // A silent leader would take the question for old news.
        if (message is HeartbeatReply { Round: 0 }) _node.Wake(_host.Now);
        return true;
    }

    /// <summary>Whatever a removed replica says, it is told that it was; one that was down then hears it so.</summary>
    private void TellIfRemoved(ReplicaId from)
    {
        Configuration configuration = _node.Configuration;
        if (!_node.IsConfigurationCommitted || configuration.IsJoint || !configuration.HasLeft(from)) return;
        Send(from, new ReplicaRemoved(_node.Term, configuration.Version));
    }

    /// <summary>A replica whose addition was undone does not know that its id was given to another node's.</summary>
    private void TellIfElsewhere(ReplicaId from, NodeName sender, RaftMessage message)
    {
        Configuration configuration = _node.Configuration;
        if (message is ReplicaRemoved || !_node.IsConfigurationCommitted || configuration.IsJoint
            || !configuration.TryFind(from, out Member member) || member.Node == sender)
            return;
        _host.Send(sender, new MessageAddress(Group, Id, from), new ReplicaRemoved(_node.Term, configuration.Version));
    }

    /// <summary>The group goes on without it: it leaves as soon as no other replica here needs its log.</summary>
    internal void LeaveFor(string why)
    {
        // Its log is of no use to anybody any more.
        if (_failed) _host.Retire(Group, Id);
        else Post(new ContinuationInput(replica => replica._leaving ??= why));
    }

    private void OnReplicaRemoved(ReplicaId from, ReplicaRemoved removed)
    {
        if (removed.ConfigurationVersion <= _state.Descriptor.ConfigVersion) return;
        _leaving = $"{from} says so, by configuration {removed.ConfigurationVersion}";
    }

    /// <summary>An applied configuration that leaves this replica out is committed, so nobody needs it any
    /// more.</summary>
    private void LeaveIfRemoved()
    {
        if (_stopReason is null && _state.Descriptor.HasLeft(Id, _host.Name))
            _leaving ??= $"configuration {_state.Descriptor.ConfigVersion} is without it";
        // What was split off here needs this log until it has a snapshot of its own.
        if (_stopReason is null && _leaving is { } why && !IsBearing()) Leave(why);
    }

    private void Leave(string why)
    {
        ReplicaLog.Leaving(_logger, _host.Name, Group, Id, why);
        Halt("it was removed from its group", failed: false);
        _host.Retire(Group, Id);
    }

    /// <summary>One that does not campaign hears nothing if it was removed while it was down, so it asks whether it
    /// still belongs.</summary>
    private void AskWhetherItBelongs()
    {
        if (!_node.Leader.IsNone || _node.Configuration.IsVoter(Id) || _node.Role != Role.Follower)
        {
            _askAt = _host.Now + 2 * _options.ElectionTimeout;
            return;
        }
        if (_host.Now < _askAt) return;
        _askAt = _host.Now + 2 * _options.ElectionTimeout;
        foreach (Member member in _node.Configuration.Members)
            if (member.Id != Id) Send(member.Id, MembershipQuestion);
        foreach (ReplicaId stranger in _strangers.Keys) Send(stranger, MembershipQuestion);
    }
}
