using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Building a state from a snapshot.</content>
public sealed partial class GroupState
{
    /// <summary>A state that goes on from a snapshot, which stays as it is: the two share what neither changes. Takes time
    /// for one reference per session.</summary>
    internal static GroupState From(GroupStateSnapshot snapshot, FaultPoints faults)
    {
        var state = new GroupState(snapshot.Descriptor, snapshot.Limits,
            Array.ConvertAll(snapshot.Families, family => new OrderedMap(family)))
        {
            LastApplied = snapshot.LastApplied,
            GroupTimeMilliseconds = snapshot.GroupTimeMilliseconds,
            _nextSession = snapshot.NextSession,
            _stamp = snapshot.Stamp + 1,
            Faults = faults,
            Merges = snapshot.Merges,
        };
        foreach ((GroupId group, uint newest) in snapshot.Forgotten) state.Forget(group, newest);
        foreach (Session session in snapshot.Sessions) state.AddSession(session);
        return state;
    }

    /// <summary>A state under construction.</summary>
    internal sealed class Restoration
    {
        public Restoration(GroupDescriptor descriptor, StoreLimits limits, EntryId lastApplied,
            long groupTimeMilliseconds, uint nextSession, FaultPoints faults)
        {
            State = new GroupState(descriptor, limits)
            {
                LastApplied = lastApplied,
                GroupTimeMilliseconds = groupTimeMilliseconds,
                _nextSession = nextSession,
                Faults = faults,
            };
        }

        public GroupState State { get; }

        public uint NextSession => State._nextSession;

        public long Stamp => State._stamp;

        public void Forget(GroupId group, uint newest) => State.Forget(group, newest);

        public void Add(MergeState merges) => State.Merges = merges;

        public void Add(Session session) => State.AddSession(session);

        public void Add(ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
            State._families[(int)family].Set(key, value);
    }
}
