namespace Orleans.Raft.Fuzz;

/// <summary>Makes an input that shows a finding shorter, as far as a few thousand tries go.</summary>
internal static class Shrinker
{
    private const int MaxTries = 4_000;

    /// <summary>Leaves out blocks and puts zeros, as long as the same kind of failure comes of it.</summary>
    public static byte[] Shrink(FuzzCase found, Exception failure)
    {
        // What was flipped counts only beside what it was before.
        if (found.Original is not null) return found.Input;
        byte[] best = found.Input;
        int tries = 0;
        for (int length = Math.Max(1, best.Length / 2); tries < MaxTries; length /= 2)
        {
            for (int at = 0; at < best.Length && tries < MaxTries; tries++)
            {
                byte[] shorter = [.. best[..at], .. best[Math.Min(best.Length, at + length)..]];
                if (FailsLike(failure, found with { Input = found.Target.Repair(shorter) })) best = shorter;
                else at += length;
            }
            if (length <= 1) break;
        }
        byte[] repaired = found.Target.Repair(best);
        return FailsLike(failure, found with { Input = repaired }) ? repaired : found.Input;
    }

    private static bool FailsLike(Exception failure, FuzzCase candidate)
    {
        try
        {
            candidate.Run();
            return false;
        }
        catch (Exception other) when (other.GetType() == failure.GetType())
        {
            return true;
        }
        catch (Exception)
        {
            return false; // Another failure, which a run of its own would show.
        }
    }
}
