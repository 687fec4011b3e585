using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>Lets all clients together begin so many calls a second; after an outage they may catch up. Now and then all
/// of them rest, so that groups fall silent while faults go on.</summary>
internal sealed class Pacer(VirtualTime time, double perSecond, Random random)
{
    private static readonly TimeSpan LongestLag = TimeSpan.FromSeconds(30);

    private TimeSpan _next = time.Now;
    private TimeSpan _nextRest = time.Now + Between(random, 2, 6);

    public Task WaitForTurnAsync()
    {
        if (_next < time.Now - LongestLag) _next = time.Now - LongestLag;
        if (time.Now >= _nextRest)
        {
            _next = time.Now + Between(random, 0.3, 2.5);
            _nextRest = _next + Between(random, 2, 6);
        }
        TimeSpan wait = _next - time.Now;
        _next += TimeSpan.FromSeconds(2 * random.NextDouble() / perSecond);
        return wait <= TimeSpan.Zero ? Task.CompletedTask : Task.Delay(wait, time);
    }

    private static TimeSpan Between(Random random, double least, double most) =>
        TimeSpan.FromSeconds(least + (most - least) * random.NextDouble());
}
