using System.Diagnostics;

namespace Orleans.Raft.Fuzz;

/// <summary>What became of a target's inputs.</summary>
internal sealed record FuzzResult(FuzzTarget Target, long Inputs, long Accepted, long Refused, TimeSpan Time,
    long LargestAllocation, TimeSpan Slowest, FuzzFinding? Finding)
{
    public const string Heading =
        "target                  inputs   accepted    refused    seconds   largest allocation   slowest ms";

    public override string ToString() => $"{Target.Name,-18} {Inputs,11} {Accepted,10} {Refused,10} "
        + $"{Time.TotalSeconds,10:0.0} {LargestAllocation,20} {Slowest.TotalMilliseconds,12:0.0}";
}

/// <summary>An input that was not dealt with as documented.</summary>
internal sealed record FuzzFinding(FuzzCase Case, Exception Failure)
{
    public override string ToString()
    {
        byte[] shrunk = Shrinker.Shrink(Case, Failure);
        return $"""
            FOUND {Case.Target.Name}: {(Failure is FindingException ? Failure.Message : Failure.ToString())}
              seed {Case.Seed}, number {Case.Number}, {Case.Kind}, {Case.Input.Length} bytes
              input  {Convert.ToHexStringLower(Case.Input)}
              shrunk {Convert.ToHexStringLower(shrunk)}
              replay: {Case.Target.Replay(Case.Seed, Case.Number)}
            """;
    }
}

/// <summary>Runs inputs of one target, one after the other.</summary>
internal static class FuzzRun
{
    /// <summary>Inputs that are run unmeasured before, so that what the runtime allocates once is not
    /// counted.</summary>
    private const int WarmUps = 20;

    /// <param name="first">Number of the first input.</param>
    /// <param name="until">Stops early when this says so; asked before every input.</param>
    public static FuzzResult Run(FuzzTarget target, ulong seed, long first, long inputs, HangWatch watch,
        Func<bool>? until = null)
    {
        long accepted = 0, done = 0, largest = 0;
        FuzzFinding? finding = null;
        TimeSpan slowest = TimeSpan.Zero;
        var clock = Stopwatch.StartNew();
        for (long number = 0; number < inputs && finding is null && until?.Invoke() != true; number++)
        {
            FuzzCase made = FuzzCase.Make(target, seed, first + number);
            watch.Begin(made);
            long began = Stopwatch.GetTimestamp();
            try
            {
                (bool isAccepted, long allocated) = made.Run();
                if (isAccepted) accepted++;
                if (number >= WarmUps || inputs <= WarmUps) largest = Math.Max(largest, allocated);
            }
#pragma warning disable CA1031 // Whatever it is, that it left the parser is the finding.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                finding = new FuzzFinding(made, failure);
            }
            watch.End();
            if (Stopwatch.GetElapsedTime(began) is var took && took > slowest) slowest = took;
            done++;
        }
        return new FuzzResult(target, done, accepted, done - accepted, clock.Elapsed, largest, slowest, finding);
    }
}

/// <summary>Notices an input that does not come to an end, which no code on its own thread can.</summary>
internal sealed class HangWatch : IDisposable
{
    /// <summary>Thousands of times what the slowest input takes.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    private readonly Timer _timer;
    private volatile FuzzCase? _running;
    private FuzzCase? _seen;
    private long _seenSince;

    /// <param name="hangs">What to do about it; the input's thread cannot be helped any more.</param>
    public HangWatch(Action<FuzzCase> hangs) => _timer = new Timer(_ => LookAt(hangs), null, Look, Look);

    public void Begin(FuzzCase made) => _running = made;

    public void End() => _running = null;

    public void Dispose() => _timer.Dispose();

    private void LookAt(Action<FuzzCase> hangs)
    {
        FuzzCase? running = _running;
        if (running is null || running != _seen)
        {
            _seen = running;
            _seenSince = Stopwatch.GetTimestamp();
        }
        else if (Stopwatch.GetElapsedTime(_seenSince) > Limit)
        {
            hangs(running);
        }
    }
}
