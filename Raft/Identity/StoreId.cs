namespace Orleans.Raft.Core;

/// <summary>A random identity written into a data directory when it is created: names a disk, as a node's name does
/// not.</summary>
public readonly record struct StoreId(Guid Value)
{
    public override string ToString() => Value.ToString("N")[..8];
}
