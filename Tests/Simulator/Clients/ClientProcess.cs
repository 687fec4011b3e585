using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Simulator;

/// <summary>A process with one <see cref="KvClient"/> that several callers share; it may die and be replaced.</summary>
internal sealed class ClientProcess(Func<KvClient> create)
{
    /// <summary>The present one.</summary>
    public KvClient Client { get; private set; } = create();

    /// <summary>Ends all calls under way, whatever becomes of what they sent.</summary>
    public async Task DieAsync()
    {
        KvClient dead = Client;
        Client = create();
        await dead.DisposeAsync();
    }
}
