using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>How the clients of a run behave.</summary>
public static class ClientOptions
{
    /// <summary>Every other client gives up soon, so that some outcomes stay unknown; the rest wait for the next
    /// leader.</summary>
    public static KvClientOptions Of(int client) =>
        client % 2 == 0 ? new KvClientOptions() : new KvClientOptions { Timeout = TimeSpan.FromMilliseconds(600) };
}
