namespace Orleans.Raft.Bench;

/// <summary>What the figure of the core is measured with.</summary>
internal static class CoreFigures
{
    public const int EntriesPerBatch = 64;

    public const int PayloadBytes = 256;

    public static readonly TimeSpan Duration = TimeSpan.FromSeconds(2);
}
