namespace Orleans.Raft.KeyValue;

/// <summary>What one connection knows of where groups are and who leads them; it learns and forgets nothing newer. Any
/// thread may call it.</summary>
public sealed class RouteTable
{
    private readonly Lock _lock = new();
    private volatile StoreRoutes _routes;

    public RouteTable(RangeMap ranges, StoreLimits limits)
    {
        _routes = new StoreRoutes(ranges, limits);
        Leaders = new LeaderRouter(ranges.Groups);
    }

    public StoreRoutes Routes => _routes;

    public LeaderRouter Leaders { get; }

    /// <summary>Takes over what a node knows better.</summary>
    public void Update(StoreNode node)
    {
        ArgumentNullException.ThrowIfNull(node);
        if (!node.Formed.IsCompletedSuccessfully) return;
        Update(node.Ranges);
        if (node.KnownMetaGroup is { } meta) Leaders.Update(meta);
    }

    /// <summary>Takes over what a map knows better.</summary>
    public void Update(RangeMap news)
    {
        lock (_lock)
        {
            StoreRoutes known = _routes;
            RangeMap ranges = known.Ranges.With(news);
            if (ranges == known.Ranges) return;
            _routes = known with { Ranges = ranges };
            foreach (GroupDescriptor group in ranges.Groups) Leaders.Update(group);
        }
    }
}
