using System.Globalization;

namespace Orleans.Raft.Core;

/// <summary>Names a Raft group; its text form is <c>g1</c>, <c>g2</c>, ...</summary>
public readonly record struct GroupId(uint Value) : IComparable<GroupId>
{
    /// <summary>The group that holds what the cluster knows of itself; it owns no keys of the store.</summary>
    public static readonly GroupId Meta;

    public int CompareTo(GroupId other) => Value.CompareTo(other.Value);

    public static bool operator <(GroupId left, GroupId right) => left.Value < right.Value;

    public static bool operator >(GroupId left, GroupId right) => left.Value > right.Value;

    public static bool operator <=(GroupId left, GroupId right) => left.Value <= right.Value;

    public static bool operator >=(GroupId left, GroupId right) => left.Value >= right.Value;

    /// <summary>Reads the text form; false if it is not one.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out GroupId group)
    {
        bool valid = uint.TryParse(text.Length > 1 && text[0] == 'g' ? text[1..] : default, NumberStyles.None,
            CultureInfo.InvariantCulture, out uint value);
        group = new GroupId(value);
        return valid;
    }

    public override string ToString() => $"g{Value}";
}
