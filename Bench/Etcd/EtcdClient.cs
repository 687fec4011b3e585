namespace Orleans.Raft.Bench;

/// <summary>Which members of an etcd cluster are asked.</summary>
internal enum EtcdTarget
{
    /// <summary>All in turn, as etcd's own client does.</summary>
    All,

    /// <summary>The leader alone, which spares it being asked by the others.</summary>
    Leader,
}

/// <summary>Several connections to an etcd cluster, for many callers, each with a number of its own.</summary>
internal sealed class EtcdClient : IDisposable
{
    private const int AnswerMaxBytes = 64 << 10;

    private readonly EtcdConnection[] _connections;
    private readonly byte[][] _buffers;

    private EtcdClient(EtcdConnection[] connections, int callers, string version)
    {
        _connections = connections;
        _buffers = new byte[callers][];
        for (int caller = 0; caller < callers; caller++) _buffers[caller] = new byte[AnswerMaxBytes];
        Version = version;
    }

    /// <summary>etcd's version, as it says itself.</summary>
    public string Version { get; }

    /// <summary>Connects, asking every endpoint for its status.</summary>
    /// <param name="connections">Per endpoint that is used.</param>
    /// <param name="callers">Callers at once, each with one call at a time.</param>
    /// <exception cref="EtcdException">An endpoint is no etcd, or none of them leads.</exception>
    /// <exception cref="HttpRequestException">An endpoint cannot be reached.</exception>
    public static async Task<EtcdClient> ConnectAsync(
        IReadOnlyList<string> endpoints, EtcdTarget target, int connections, int callers,
        CancellationToken cancellationToken)
    {
        var made = new List<EtcdConnection>();
        try
        {
            byte[] buffer = new byte[AnswerMaxBytes];
            var used = new List<string>();
            string version = "";
            foreach (string endpoint in endpoints)
            {
                using var probe = new EtcdConnection(endpoint);
                int length = await probe.StatusAsync(buffer, cancellationToken);
                (bool isLeader, version) = EtcdMessages.ReadStatus(buffer.AsSpan(0, length));
                if (isLeader || target == EtcdTarget.All) used.Add(endpoint);
            }
            if (used.Count == 0)
                throw new EtcdException(-1, $"None of {string.Join(", ", endpoints)} leads; name all members.");
            for (int number = 0; number < connections; number++)
                made.AddRange(used.Select(endpoint => new EtcdConnection(endpoint)));
            foreach (EtcdConnection connection in made) await connection.StatusAsync(buffer, cancellationToken);
            return new EtcdClient([.. made], callers, version);
        }
        catch
        {
            foreach (EtcdConnection connection in made) connection.Dispose();
            throw;
        }
    }

    public ValueTask PutAsync(int caller, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value,
        CancellationToken cancellationToken) =>
        _connections[caller % _connections.Length]
            .PutAsync(EtcdMessages.Put(key, value), _buffers[caller], cancellationToken);

    /// <summary>The length of a key's value, read linearizably; null if there is no such key.</summary>
    public async ValueTask<int?> GetLengthAsync(int caller, byte[] key, CancellationToken cancellationToken)
    {
        byte[] buffer = _buffers[caller];
        int length = await _connections[caller % _connections.Length]
            .RangeAsync(EtcdMessages.Range(key), buffer, cancellationToken);
        return EtcdMessages.TryReadValue(buffer.AsSpan(0, length), out ReadOnlySpan<byte> value) ? value.Length : null;
    }

    public void Dispose()
    {
        foreach (EtcdConnection connection in _connections) connection.Dispose();
    }
}
