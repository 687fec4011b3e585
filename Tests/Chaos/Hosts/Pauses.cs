namespace Orleans.Raft.Chaos;

/// <summary>How long processes are stopped: both longer than an election timeout of 0.5 s, one also longer than a disk
/// may hang.</summary>
public static class Pauses
{
    public static TimeSpan Draw(Random random) => TimeSpan.FromSeconds(random.Next(2) == 0 ? 0.7 : 3);
}
