using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <content>Building a state from a snapshot.</content>
public sealed partial class GroupState
{
    /// <summary>A state under construction.</summary>
    internal sealed class Restoration
    {
        public Restoration(GroupDescriptor descriptor, StoreLimits limits, EntryId lastApplied,
            long groupTimeMilliseconds,
            ulong nextSession, FaultPoints faults)
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

        public ulong NextSession => State._nextSession;

        public long Stamp => State._stamp;

        public void Add(Session session) => State.AddSession(session);

        public void Add(ColumnFamily family, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
            State._families[(int)family].Set(key, value);
    }
}
