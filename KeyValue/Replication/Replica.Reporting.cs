using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>What a leader tells the cluster's controller of its group.</content>
public sealed partial class Replica
{
    // Between changes what is told need not be newer than this.
    private static readonly TimeSpan ReportAge = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RateAge = TimeSpan.FromSeconds(1);

    private volatile GroupReport? _report;
    private TimeSpan _reportedAt;
    private long _writes;
    private long _reads;
    private double _operationsPerSecond;
    private double _loadPerSecond;
    private (TimeSpan At, long Writes, long Reads) _rateBase;
    private MergeState _reportedMerges = MergeState.None;

    /// <summary>How its group is, as of a moment ago; null while it does not lead, or does not know yet all that was
    /// committed before it led.</summary>
    internal GroupReport? Report => _report;

    private void UpdateReport()
    {
        bool leads = _stopReason is null && _node.Role == Role.Leader && _state.LastApplied.Term == _node.Term;
        GroupReport? before = _report;
        if (!leads && before is null) return;
        TimeSpan now = _host.Now;
        bool isNews = !leads || before is null || before.Term != _node.Term
            || !ReferenceEquals(before.Descriptor, _state.Descriptor)
            || !ReferenceEquals(_reportedMerges, _state.Merges);
        // In silence no turn comes for long: what is told last must be as it is.
        if (!isNews && !_node.IsSilent && now - _reportedAt < ReportAge) return;
        if (before is null) MeasureAnew(now);
        _reportedAt = now;
        _reportedMerges = _state.Merges;
        _report = leads ? MakeReport(now) : null;
        if (isNews) _host.NoteGroupChanged();
    }

    /// <summary>What was measured was another's load: of a follower, or of a range that was larger.</summary>
    private void MeasureAnew(TimeSpan now)
    {
        _operationsPerSecond = _loadPerSecond = 0;
        _rateBase = (now, _writes, _reads);
    }

    private GroupReport MakeReport(TimeSpan now)
    {
        if (now - _rateBase.At >= RateAge)
        {
            double seconds = (now - _rateBase.At).TotalSeconds;
            double writes = (_writes - _rateBase.Writes) / seconds, reads = (_reads - _rateBase.Reads) / seconds;
            _operationsPerSecond = writes + reads;
            _loadPerSecond = writes + (reads / PlacementOptions.ReadsPerWrite);
            _rateBase = (now, _writes, _reads);
        }
        // Nobody asks, and nobody will measure that.
        if (_node.IsSilent) _operationsPerSecond = _loadPerSecond = 0;
        var members = new List<ModelMember>();
        foreach (Member member in _node.Configuration.Members)
        {
            if (_node.GetProgress(member.Id) is { } progress)
                members.Add(new ModelMember(member.Id, progress.IsCaughtUp, now - progress.LastHeard));
        }
        ReadOnlyMemory<byte>? middle = _loadPerSecond > _host.SplitOperationsPerSecond
            ? _sample.Middle(key => _state.CanSplitAt(key))
            : null;
        return new GroupReport(_state.Descriptor, _node.Term, _state.KeyValueBytes, _state.KeyCount,
            _operationsPerSecond, middle?.ToArray(), members)
        {
            Merges = MergeMarks.Of(_state.Merges),
        };
    }
}
