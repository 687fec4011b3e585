namespace Orleans.Raft.Core;

/// <summary>A random identity given to a cluster once, when it forms.</summary>
public readonly record struct ClusterId(Guid Value)
{
    public override string ToString() => Value.ToString("N")[..8];
}
