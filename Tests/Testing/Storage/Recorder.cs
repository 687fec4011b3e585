using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Testing;

/// <summary>An observer that takes note of what it hears.</summary>
public sealed class Recorder : IPersistenceObserver
{
    /// <summary>The last number reported durable.</summary>
    public ulong Durable { get; private set; }

    public List<Exception> Failures { get; } = [];

    /// <summary>Thrown by the next report.</summary>
    public Exception? Throws { get; set; }

    public void Persisted(ulong number)
    {
        if (Throws is { } failure) throw failure;
        Invariant.Require(number > Durable, $"{number} was reported after {Durable}");
        Invariant.Require(Failures.Count == 0, "a write was reported durable after the failure");
        Durable = number;
    }

    public void StorageFailed(Exception failure) => Failures.Add(failure);
}
