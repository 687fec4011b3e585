using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>What the silo knows of where groups are, as it tells others: encoded once for every version.</summary>
internal sealed class SiloRoutes(SiloNode silo)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private static readonly RoutesMessage None = new([], null, Guid.Empty);

    private readonly Lock _lock = new();
    private (RangeMap Ranges, RoutesMessage Message)? _told;

    /// <summary>Without limits while the cluster is not formed.</summary>
    public RoutesMessage Current => silo.FormedStore is { } store ? Tell(store).Message : None;

    /// <summary>What is known as soon as it is of another version; null if it is not for long.</summary>
    public async Task<RoutesMessage?> NextAsync(Guid seen)
    {
        if (silo.FormedStore is not { } store)
        {
            await Task.Delay(Patience).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext);
            return null;
        }
        (RangeMap ranges, RoutesMessage message) = Tell(store);
        if (message.Version != seen) return message;
        await store.WaitForRangesAsync(ranges).WaitAsync(Patience)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        message = Tell(store).Message;
        return message.Version != seen ? message : null;
    }

    private (RangeMap Ranges, RoutesMessage Message) Tell(StoreNode store)
    {
        lock (_lock)
        {
            RangeMap ranges = store.Ranges;
            if (_told is not { } told || !ReferenceEquals(told.Ranges, ranges))
            {
                _told = told = (ranges, new RoutesMessage([.. ranges.Groups.Select(group => group.Encode())],
                    store.Formation.Limits.Encode(), Guid.NewGuid()));
            }
            return told;
        }
    }
}
