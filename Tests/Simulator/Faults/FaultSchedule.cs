using System.Collections.Frozen;
using System.Text;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>One fault to come. Whom it hits it decides by its own seed, among those it can hit then: leaving out
/// another fault changes as little as possible.</summary>
/// <param name="Number">Counts from 1 within the schedule.</param>
/// <param name="Lasting">After which it is undone.</param>
public sealed record Fault(int Number, FaultKind Kind, TimeSpan At, TimeSpan Lasting, int Seed);

/// <summary>How vicious a run is.</summary>
public enum FaultMix
{
    Calm,
    Rough,
    Vicious,
}

/// <summary>All faults of a run, drawn from its seed.</summary>
/// <param name="AllowsLeases">Whether leases hold: not where clocks jump. Leaving faults out does not change it.</param>
public sealed record FaultSchedule(FaultMix Mix, IReadOnlyList<Fault> Faults, bool AllowsLeases)
{
    public static readonly FrozenDictionary<string, FaultKind> Names =
        Enum.GetValues<FaultKind>().ToFrozenDictionary(NameOf, kind => kind);

    private static readonly FaultKind[] s_often =
    [
        FaultKind.Split, FaultKind.Split, FaultKind.Split, FaultKind.Split, FaultKind.Merge, FaultKind.Merge,
        FaultKind.Merge, FaultKind.Move, FaultKind.Move, FaultKind.Join,
    ];

    public static FaultSchedule Draw(SimulationOptions options)
    {
        var random = new Random(unchecked((int)(options.Seed * 0x9e3779b1)));
        FaultMix mix = (FaultMix)random.Next(3);
        FaultKind[] kinds = [.. options.Faults.Where(kind => !IsAsked(kind) && IsOf(options.StorageUsed, kind))];
        random.Shuffle(kinds);
        // Leases do not hold where clocks jump, and are to meet all other faults.
        if (random.Next(2) == 0) kinds = [.. kinds.Where(kind => kind != FaultKind.ClockJump)];
        // Some runs see few kinds often, others all of them.
        int few = Math.Min(kinds.Length, mix switch { FaultMix.Calm => 6, FaultMix.Rough => 9, _ => kinds.Length });
        kinds = [.. kinds.Take(random.Next(few, kinds.Length + 1))];

        var faults = new List<Fault>();
        int drawn = 0;
        TimeSpan at = Between(random, 0.3, 1.5);
        while (at < options.Duration && kinds.Length > 0)
        {
            // Each kind once before any comes again.
            FaultKind kind = drawn < kinds.Length ? kinds[drawn] : kinds[random.Next(kinds.Length)];
            drawn++;
            faults.Add(new Fault(0, kind, at, LastingOf(kind, random), random.Next()));
            at += mix switch
            {
                FaultMix.Calm => Between(random, 2, 8),
                FaultMix.Rough => Between(random, 0.8, 4),
                _ => Between(random, 0.1, 3),
            };
        }
        // So that the calmest run has several leaders, too.
        if (mix == FaultMix.Calm && options.Faults.Contains(FaultKind.Transfer))
        {
            foreach (double share in new[] { 0.25, 0.5, 0.75 })
                faults.Add(new Fault(0, FaultKind.Transfer, options.Duration * share, TimeSpan.Zero, random.Next()));
        }
        DrawAsked(options, random, faults);
        DrawOpenings(options, random, faults);
        faults = [.. faults.OrderBy(fault => fault.At).Select((fault, i) => fault with { Number = i + 1 })];
        bool allowsLeases = faults.TrueForAll(fault => fault.Kind != FaultKind.ClockJump);
        if (options.Keep is { } keep) faults.RemoveAll(fault => !keep.Contains(fault.Number));
        return new FaultSchedule(mix, faults, allowsLeases);
    }

    /// <summary>Whether it is nothing that breaks, but what an administrator asks for.</summary>
    public static bool IsAsked(FaultKind kind) => kind >= FaultKind.Split;

    /// <summary>What only databases allow happens in every run on them.</summary>
    private static void DrawOpenings(SimulationOptions options, Random random, List<Fault> faults)
    {
        const FaultKind Kind = FaultKind.SecondOpening;
        if (!options.Faults.Contains(Kind) || !IsOf(options.StorageUsed, Kind)) return;
        for (TimeSpan at = Between(random, 1, 8); at < options.Duration; at += Between(random, 4, 12))
            faults.Add(new Fault(0, Kind, at, LastingOf(Kind, random), random.Next()));
    }

    /// <summary>Whether it can happen to such storage.</summary>
    public static bool IsOf(SimulatedStorage storage, FaultKind kind) => kind switch
    {
        FaultKind.TornWrite or FaultKind.FailedFlush or FaultKind.FailedWrite => storage == SimulatedStorage.Disks,
        FaultKind.SecondOpening or FaultKind.LostConnections or FaultKind.UnknownCommit or FaultKind.DatabaseDown =>
            storage == SimulatedStorage.Databases,
        _ => true,
    };

    /// <summary>What administrators ask for, in every run: all of it once, some of it more often, before any comes
    /// again.</summary>
    private static void DrawAsked(SimulationOptions options, Random random, List<Fault> faults)
    {
        FaultKind[] round =
        [
            .. options.Faults.Where(IsAsked),
            .. s_often.Where(options.Faults.Contains),
        ];
        if (round.Length == 0) return;
        int drawn = 0;
        for (TimeSpan at = Between(random, 0.3, 2); at < options.Duration; at += Between(random, 0.5, 4))
        {
            if (drawn % round.Length == 0) random.Shuffle(round);
            FaultKind kind = round[drawn++ % round.Length];
            faults.Add(new Fault(0, kind, at, LastingOf(kind, random), random.Next()));
        }
    }

    /// <summary><c>PowerLoss</c> is <c>power-loss</c>.</summary>
    public static string NameOf(FaultKind kind)
    {
        var name = new StringBuilder();
        foreach (char letter in kind.ToString())
        {
            if (char.IsUpper(letter) && name.Length > 0) name.Append('-');
            name.Append(char.ToLowerInvariant(letter));
        }
        return name.ToString();
    }

    private static TimeSpan LastingOf(FaultKind kind, Random random) => kind switch
    {
        FaultKind.Crash or FaultKind.PowerLoss or FaultKind.TornWrite or FaultKind.PowerLossOfAll
            or FaultKind.LostDisk or FaultKind.Rot => Between(random, 0.05, 2.5),
        FaultKind.Pause => random.Next(4) == 0 ? Between(random, 0.05, 0.4) : Between(random, 0.6, 4),
        FaultKind.HungDisk => random.Next(3) == 0 ? Between(random, 2.1, 4) : Between(random, 0.2, 2),
        FaultKind.FailedFlush or FaultKind.FailedWrite or FaultKind.SecondInstance or FaultKind.Transfer
            or FaultKind.ClientDeath or FaultKind.UnknownCommit => TimeSpan.Zero,
        FaultKind.Drain or FaultKind.BalanceOff => Between(random, 2, 10),
        FaultKind.ClockDrift => Between(random, 5, 30),
        _ => Between(random, 0.3, 5),
    };

    private static TimeSpan Between(Random random, double least, double most) =>
        TimeSpan.FromSeconds(least + (most - least) * random.NextDouble());
}
