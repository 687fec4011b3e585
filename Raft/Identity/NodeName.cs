namespace Orleans.Raft.Core;

/// <summary>Names a node: a silo's name, or <c>node-1</c>, <c>node-2</c>, ... of the embedded host.</summary>
public readonly record struct NodeName(string Value) : IComparable<NodeName>
{
    public int CompareTo(NodeName other) => string.CompareOrdinal(Value, other.Value);

    public static bool operator <(NodeName left, NodeName right) => left.CompareTo(right) < 0;

    public static bool operator >(NodeName left, NodeName right) => left.CompareTo(right) > 0;

    public static bool operator <=(NodeName left, NodeName right) => left.CompareTo(right) <= 0;

    public static bool operator >=(NodeName left, NodeName right) => left.CompareTo(right) >= 0;

    public override string ToString() => Value;
}
