using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>The way to the store's process, which comes and goes.</summary>
public sealed class StoreLink(int clients) : IDisposable
{
    private TaskCompletionSource<StoreProcess> _up = NewGate();
    private StoreProcess? _process;
    private RemoteStore[]? _stores;

    /// <summary>The process that was started last.</summary>
    public StoreProcess Process => _process ?? throw new InvalidOperationException("Nothing was started.");

    public IKeyValueStore StoreOf(int client) => Stores[client];

    private RemoteStore[] Stores =>
        _stores ??= [.. Enumerable.Range(0, clients).Select(i => new RemoteStore(i, () => _up.Task))];

    /// <summary>Lets calls go to a new process.</summary>
    public void Open(StoreProcess process)
    {
        _process?.Dispose();
        _process = process;
        _up.SetResult(process);
    }

    /// <summary>Kills the process; calls wait for the next one from here on.</summary>
    public void Kill()
    {
        _up = NewGate();
        Process.Kill();
    }

    /// <summary>What the store says of its nodes.</summary>
    public async Task<IReadOnlyList<NodeReport>> StatusAsync()
    {
        string[] words = await Process.CallAsync(0, "status");
        return [.. words.Chunk(3).Select(w => new NodeReport(w[0], w[1] == "up", PipeText.Text(w[2])))];
    }

    public void Dispose() => _process?.Dispose();

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
