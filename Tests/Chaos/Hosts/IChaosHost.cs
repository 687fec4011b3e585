using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>Breaks something, waits, and mends it again.</summary>
/// <param name="say">Takes a line for everything that is done, when it is done.</param>
public delegate Task Fault(Random random, Action<string> say, CancellationToken cancellation);

/// <summary>The store under test, in processes that can be broken.</summary>
public interface IChaosHost : IAsyncDisposable
{
    /// <summary>What can be broken here, by kind.</summary>
    IReadOnlyDictionary<string, Fault> Faults { get; }

    /// <summary>Kinds of faults that this machine does not permit, and why.</summary>
    IReadOnlyDictionary<string, string> Impossible { get; }

    Task StartAsync(CancellationToken cancellation);

    /// <summary>Each client has sessions of its own. Usable while the store is down: calls wait for it, as long as it
    /// may come back.</summary>
    IKeyValueStore StoreOf(int client);

    /// <summary>Ends all calls, those that wait, too, and refuses later ones.</summary>
    void CutOff(string why);

    /// <summary>What is wrong though nothing is broken: processes that ended by themselves, nodes that are down,
    /// replicas that failed. Empty if all is well.</summary>
    Task<IReadOnlyList<string>> FindProblemsAsync();
}
