namespace Orleans.Raft.Bench;

/// <summary>Ends what a measurement has started.</summary>
internal static class Disposal
{
    /// <summary>Disposes of each in turn, whatever becomes of the others.</summary>
    /// <exception cref="AggregateException">Some could not be ended.</exception>
    public static async ValueTask AllAsync(IEnumerable<IAsyncDisposable?> parts)
    {
        var failures = new List<Exception>();
        foreach (IAsyncDisposable? part in parts)
        {
            try
            {
                if (part is not null) await part.DisposeAsync();
            }
#pragma warning disable CA1031 // Whatever it is, it is told when the others have ended.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                failures.Add(failure);
            }
        }
        if (failures.Count > 0) throw new AggregateException(failures);
    }
}
