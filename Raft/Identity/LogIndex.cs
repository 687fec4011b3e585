namespace Orleans.Raft.Core;

/// <summary>The position of an entry in a group's log. The first entry is 1; 0 stands before the log. Raft
/// §5.3.</summary>
public readonly record struct LogIndex(ulong Value) : IComparable<LogIndex>
{
    public static readonly LogIndex Zero;

    public LogIndex Next() => new(Value + 1);

    /// <summary>The index before this one; 0 stays 0.</summary>
    public LogIndex Previous() => new(Value == 0 ? 0 : Value - 1);

    public int CompareTo(LogIndex other) => Value.CompareTo(other.Value);

    public static LogIndex Min(LogIndex left, LogIndex right) => left < right ? left : right;

    public static LogIndex Max(LogIndex left, LogIndex right) => left > right ? left : right;

    public static bool operator <(LogIndex left, LogIndex right) => left.Value < right.Value;

    public static bool operator >(LogIndex left, LogIndex right) => left.Value > right.Value;

    public static bool operator <=(LogIndex left, LogIndex right) => left.Value <= right.Value;

    public static bool operator >=(LogIndex left, LogIndex right) => left.Value >= right.Value;

    public static LogIndex operator +(LogIndex index, ulong count) => new(index.Value + count);

    public static ulong operator -(LogIndex left, LogIndex right) => left.Value - right.Value;

    public override string ToString() => $"i{Value}";
}
