using System.Globalization;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>The way to the store's process, which comes and goes.</summary>
public sealed class StoreLink(int clients) : IDisposable
{
    private readonly Lock _lock = new();
    private TaskCompletionSource<StoreProcess> _up = NewGate();
    private UnavailableException? _cutOff;
    private StoreProcess? _process;
    private RemoteStore[]? _stores;

    /// <summary>The process that was started last.</summary>
    public StoreProcess Process => _process ?? throw new InvalidOperationException("Nothing was started.");

    public IKeyValueStore StoreOf(int client) => Stores[client];

    private RemoteStore[] Stores =>
        _stores ??= [.. Enumerable.Range(0, clients).Select(i => new RemoteStore(i, UpAsync))];

    /// <summary>Starts a process and lets calls go to it. If it does not come up, calls are refused from here on:
    /// nobody waits for it in vain.</summary>
    public async Task StartAsync(Func<Task<StoreProcess>> startAsync)
    {
        try
        {
            StoreProcess process = await startAsync();
            _process?.Dispose();
            _process = process;
            lock (_lock)
            {
                if (_cutOff is { } reason) throw reason;
                _up.SetResult(process);
            }
        }
        catch (Exception failure)
        {
            CutOff($"The store's process did not come up: {failure.Message}");
            throw;
        }
    }

    /// <summary>Kills the process, and starts another after a pause; calls wait for it.</summary>
    public async Task RestartAsync(TimeSpan pause, Func<Task<StoreProcess>> startAsync, CancellationToken cancellation)
    {
        lock (_lock)
        {
            if (_cutOff is null) _up = NewGate();
        }
        Process.Kill();
        await StartAsync(async () =>
        {
            await Task.Delay(pause, cancellation);
            return await startAsync();
        });
    }

    /// <summary>Kills the process for good. Calls end: those under way with an unknown outcome, those that wait, and
    /// later ones, are refused.</summary>
    public void CutOff(string why)
    {
        lock (_lock)
        {
            _cutOff ??= new UnavailableException(why);
            _up.TrySetException(_cutOff);
        }
        _process?.Kill();
    }

    /// <summary>What the store says of its nodes.</summary>
    public async Task<IReadOnlyList<NodeReport>> StatusAsync()
    {
        string[] words = await Process.CallAsync(0, "status");
        return [.. words.Chunk(3).Select(w => new NodeReport(w[0], w[1] == "up", PipeText.Text(w[2])))];
    }

    /// <summary>What the store says of all replicas.</summary>
    public async Task<IReadOnlyList<ReplicaReport>> ReplicasAsync()
    {
        string[] words = await Process.CallAsync(0, "replicas");
        return [.. words.Chunk(6).Select(w => new ReplicaReport(w[0], w[1], w[2], Number(w[3]), Number(w[4]),
            Number(w[5])))];
    }

    public void Dispose() => _process?.Dispose();

    private static ulong Number(string word) => ulong.Parse(word, CultureInfo.InvariantCulture);

    private Task<StoreProcess> UpAsync()
    {
        lock (_lock) return _cutOff is null ? _up.Task : Task.FromException<StoreProcess>(_cutOff);
    }

    private static TaskCompletionSource<StoreProcess> NewGate() =>
        new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>A node as the store's status has it.</summary>
/// <param name="Problem">What is wrong with it; empty if nothing is.</param>
public sealed record NodeReport(string Node, bool IsUp, string Problem)
{
    /// <summary>Whether it works no more before it is started again.</summary>
    public bool HasFailed => Problem.Contains(" failed: ", StringComparison.Ordinal);

    public override string ToString() =>
        $"{Node} is {(IsUp ? "up" : "down")}{(Problem.Length > 0 ? $": {Problem}" : "")}";
}

/// <summary>A replica as the store's status has it.</summary>
public sealed record ReplicaReport(string Group, string Node, string Role, ulong Term, ulong Commit, ulong Applied)
{
    public bool Leads => Role == "leader";
}
