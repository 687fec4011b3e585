using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>Lets all clients together begin so many calls a second; after an outage they may catch up.</summary>
internal sealed class Pacer(VirtualTime time, double perSecond, Random random)
{
    private static readonly TimeSpan LongestLag = TimeSpan.FromSeconds(30);

    private TimeSpan _next = time.Now;

    public Task WaitForTurnAsync()
    {
        if (_next < time.Now - LongestLag) _next = time.Now - LongestLag;
        TimeSpan wait = _next - time.Now;
        _next += TimeSpan.FromSeconds(2 * random.NextDouble() / perSecond);
        return wait <= TimeSpan.Zero ? Task.CompletedTask : Task.Delay(wait, time);
    }
}
