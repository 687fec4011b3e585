using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Falling silent when nobody asks anything, and what wakes it but its group and its callers.</content>
public sealed partial class Replica
{
    private TimeSpan _lastAskedAt;
    private NodeName[] _watched = [];
    private volatile bool _isAsleep;

    /// <summary>Whether it is silent or has stopped: then it needs no ticks.</summary>
    public bool IsAsleep => _isAsleep;

    /// <summary>Nobody waits for it, and no snapshot is on its way or owed, its own or of a group that it split
    /// off.</summary>
    private bool IsIdle => _pendingWrites.Count == 0 && _readsThisTurn.Count == 0 && _readsAwaitingIndex.Count == 0
        && _readsAwaitingApply.Count == 0 && _sending.Count == 0 && _receiving is null && !_takingSnapshot
        && _stall is null && SnapshotProblem is null && !_isNewborn && !IsBearing() && !_awaitsBase;

    internal void OnNodeChanged()
    {
        if (_node.Role == Role.Leader) _node.Wake(_host.Now);
        else _node.SuspectLeader(_host.Now);
    }

    /// <summary>Somebody wants something of the group: it stays awake for a while.</summary>
    private void NoteAsked() => StayAwake(TimeSpan.Zero);

    /// <param name="more">Beyond <see cref="ReplicaOptions.SilenceAfter"/>.</param>
    private void StayAwake(TimeSpan more)
    {
        if (_lastAskedAt < _host.Now + more) _lastAskedAt = _host.Now + more;
    }

    private void OfferSilence()
    {
        if (_node.Role != Role.Leader || _node.IsSilent || !_node.MayFallSilent) return;
        if (_host.Now - _lastAskedAt < _options.SilenceAfter) return;
        _node.OfferSilence([.. AbsentMembers().Select(member => member.Id)], _host.Now);
    }

    private IEnumerable<Member> AbsentMembers() =>
        _node.Configuration.Members.Where(member => member.Id != Id && _host.Liveness.IsSuspected(member.Node));

    /// <summary>After a turn: a silent follower watches its leader's node, a silent leader those that are absent.</summary>
    private void NoteSilence()
    {
        bool isSilent = _node.IsSilent && _stopReason is null;
        if (isSilent || _watched.Length > 0)
        {
            NodeName[] watched = isSilent ? NodesToWatch() : [];
            if (!watched.AsSpan().SequenceEqual(_watched))
            {
                _watched = watched;
                _host.Liveness.Watch(this, watched, suspected: _node.Role == Role.Leader);
            }
        }
        bool isAsleep = isSilent || _stopReason is not null;
        if (isAsleep == _isAsleep) return;
        _isAsleep = isAsleep;
        _host.NoteAsleep(this);
    }

    private NodeName[] NodesToWatch()
    {
        if (_node.Role != Role.Leader) return NodeOf(_node.Leader) is { } leader ? [leader] : [];
        return [.. _node.Configuration.Members
            .Where(member => _node.GetProgress(member.Id) is { IsAbsent: true }).Select(member => member.Node)];
    }
}
