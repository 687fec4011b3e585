using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// Names a session among those of all groups, for it goes with the keys when its group splits or merges: the group that
/// opened it, and a number that this group never assigns again. Its text form is <c>g7.s1</c>. 0 means none.
/// </summary>
public readonly record struct SessionId(ulong Value)
{
    private const int NumberBits = 32;

    public static readonly SessionId None;

    public bool IsNone => Value == 0;

    /// <summary>The group that opened it.</summary>
    public GroupId Group => new((uint)(Value >> NumberBits));

    /// <summary>Its place among the sessions of that group, from 1 on.</summary>
    public uint Number => (uint)Value;

    public static SessionId Of(GroupId group, uint number) => new(((ulong)group.Value << NumberBits) | number);

    public override string ToString() => $"{Group}.s{Number}";
}
