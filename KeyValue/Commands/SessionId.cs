namespace Orleans.Raft.KeyValue;

/// <summary>Names a session within its group, which assigned it; its text form is <c>s1</c>, <c>s2</c>, ... 0 means
/// none.</summary>
public readonly record struct SessionId(ulong Value)
{
    public static readonly SessionId None;

    public bool IsNone => Value == 0;

    public override string ToString() => $"s{Value}";
}
