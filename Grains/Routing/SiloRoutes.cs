using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>
/// What the silo knows of the cluster and where groups are, from a node here or, if there is none, as another silo told;
/// and how it tells others: encoded once for every version.
/// </summary>
internal sealed class SiloRoutes(SiloNodes nodes)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private static readonly RoutesMessage None = new([], null, Guid.Empty);

    private readonly Lock _lock = new();
    private (RangeMap Ranges, RoutesMessage Message)? _told;
    private volatile StoreKnowledge? _heard;

    /// <summary>Null while the cluster is not formed, as far as is known here.</summary>
    public StoreKnowledge? Known => nodes.FormedStore is { } store ? StoreKnowledge.Of(store) : _heard;

    /// <summary>Without limits while the cluster is not formed.</summary>
    public RoutesMessage Current => Known is { } known ? Tell(known) : None;

    /// <summary>What is known as soon as it is of another version; null if it is not for long.</summary>
    public async Task<RoutesMessage?> NextAsync(Guid seen)
    {
        if (Known is { } known && Tell(known) is var message && message.Version != seen) return message;
        Task news = nodes.FormedStore is { } store && Known is { } now
            ? store.WaitForRangesAsync(now.Ranges)
            : Task.Delay(Timeout.InfiniteTimeSpan);
        await news.WaitAsync(Patience)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        return Known is { } next && Tell(next) is var told && told.Version != seen ? told : null;
    }

    /// <summary>For a silo without a node; see <see cref="ISiloTransport.WaitForKnowledge"/>.</summary>
    public async Task<StoreKnowledgeMessage?> TellAsync(Guid seen)
    {
        // What was only heard is not told on: it would go round for ever.
        if (nodes.FormedStore is null) return null;
        await NextAsync(seen);
        return nodes.FormedStore is { } store && StoreKnowledge.Of(store) is var known
            ? new StoreKnowledgeMessage(known.Formation.Encode(), known.MetaGroup?.Encode(), Tell(known))
            : null;
    }

    /// <summary>Another silo's node has told this.</summary>
    public void Hear(StoreKnowledgeMessage message) => _heard = StoreKnowledge.From(message);

    private RoutesMessage Tell(StoreKnowledge known)
    {
        lock (_lock)
        {
            if (_told is not { } told || !ReferenceEquals(told.Ranges, known.Ranges))
            {
                _told = told = (known.Ranges, new RoutesMessage([.. known.Ranges.Groups.Select(group => group.Encode())],
                    known.Formation.Limits.Encode(), Guid.NewGuid()));
            }
            return told.Message;
        }
    }
}

/// <summary>What is known of the cluster at one moment.</summary>
internal sealed record StoreKnowledge(FormationRecord Formation, RangeMap Ranges, GroupDescriptor? MetaGroup)
{
    public static StoreKnowledge Of(StoreNode store) => new(store.Formation, store.Ranges, store.KnownMetaGroup);

    public static StoreKnowledge From(StoreKnowledgeMessage message) => new(FormationRecord.Decode(message.Formation),
        new RangeMap([.. message.Routes.Groups.Select(group => GroupDescriptor.Decode(group))]),
        message.MetaGroup is { } meta ? GroupDescriptor.Decode(meta) : null);
}
