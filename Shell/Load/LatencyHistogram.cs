using System.Numerics;

namespace Orleans.Raft.Shell;

/// <summary>
/// Counts durations in buckets whose width grows with the duration, as HdrHistogram does: 18 KB whatever is recorded,
/// every answer at most 1.6 % above the truth. Not safe for several threads: give each its own and <see cref="Merge"/>
/// them.
/// </summary>
public sealed class LatencyHistogram
{
    private const int StepBits = 6;
    private const int Steps = 1 << StepBits;
    private const int MaxBits = 40;
    private const int Buckets = (MaxBits - StepBits + 1) * Steps;

    private readonly long[] _counts = new long[Buckets];

    public long Count { get; private set; }

    /// <summary>The longest duration recorded, exactly.</summary>
    public long MaxNanoseconds { get; private set; }

    /// <summary>Counts one duration; above 18 minutes it counts as 18 minutes.</summary>
    public void RecordNanoseconds(long nanoseconds)
    {
        long value = Math.Clamp(nanoseconds, 0, (1L << MaxBits) - 1);
        _counts[BucketOf(value)]++;
        Count++;
        if (value > MaxNanoseconds) MaxNanoseconds = value;
    }

    /// <summary>Adds what another has counted.</summary>
    public void Merge(LatencyHistogram other)
    {
        ArgumentNullException.ThrowIfNull(other);
        for (int bucket = 0; bucket < Buckets; bucket++) _counts[bucket] += other._counts[bucket];
        Count += other.Count;
        MaxNanoseconds = Math.Max(MaxNanoseconds, other.MaxNanoseconds);
    }

    /// <summary>The duration that a share of all recorded ones does not exceed; 0 if nothing was recorded.</summary>
    /// <param name="share">0 to 1; 0.99 is the 99th percentile.</param>
    public long QuantileNanoseconds(double share)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, 1);
        long rank = Math.Max(1, (long)Math.Ceiling(share * Count));
        long seen = 0;
        for (int bucket = 0; bucket < Buckets; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= rank) return Math.Min(HighestOf(bucket), MaxNanoseconds);
        }
        return MaxNanoseconds;
    }

    public double QuantileMilliseconds(double share) => QuantileNanoseconds(share) / 1e6;

    private static int BucketOf(long value)
    {
        if (value < 2 * Steps) return (int)value;
        int shift = BitOperations.Log2((ulong)value) - StepBits;
        return (shift * Steps) + (int)(value >> shift);
    }

    private static long HighestOf(int bucket)
    {
        if (bucket < 2 * Steps) return bucket;
        int shift = (bucket / Steps) - 1;
        long lowest = (long)((bucket % Steps) + Steps) << shift;
        return lowest + (1L << shift) - 1;
    }
}
