using Orleans.Raft.KeyValue;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Chaos;

/// <summary>
/// The embedded host as a child process. A kill or stop of the process takes all nodes at once; single nodes are killed
/// and isolated through the host's own fault control. Groups are split and merged by its administrators' interface.
/// </summary>
public sealed class EmbeddedChaosHost : IChaosHost
{
    private const int Nodes = 3;

    private readonly string _directory;
    private readonly int _clients;
    private readonly StoreLink _link;
    private readonly SmallDisk? _disk;
    private readonly Dictionary<string, Fault> _faults = [];
    private readonly Dictionary<string, string> _impossible = [];
    private int _lives;
    private bool _hasMerged;

    public EmbeddedChaosHost(string directory, int clients, long diskBytes)
    {
        _directory = directory;
        _clients = clients;
        _link = new StoreLink(clients);
        string data = Directory.CreateDirectory(Path.Combine(directory, "data")).FullName;
        string mounted = Directory.CreateDirectory(Path.Combine(directory, "small")).FullName;
        _disk = SmallDisk.TryMount(mounted, diskBytes, out string? reason);
        _faults["kill"] = KillAsync;
        _faults["node-kill"] = KillNodeAsync;
        _faults["isolate"] = IsolateAsync;
        _faults["merge"] = MergeAsync;
        if (PausedProcess.Obstacle is { } obstacle) _impossible["stop"] = obstacle;
        else _faults["stop"] = StopAsync;
        if (_disk is null)
        {
            _impossible["full"] = $"a small disk cannot be mounted: {reason}";
            return;
        }
        string last = NodeName(Nodes);
        _disk.MakeDirectory(last);
        Directory.CreateSymbolicLink(Path.Combine(data, last), Path.Combine(mounted, last));
        _faults["full"] = new SmallDiskFault(_disk, last, StoreOf(0), _link.StatusAsync, _ => RestartNodeAsync(last))
            .RunAsync;
    }

    public IReadOnlyDictionary<string, Fault> Faults => _faults;

    public IReadOnlyDictionary<string, string> Impossible => _impossible;

    public Task StartAsync(CancellationToken cancellation) => _link.StartAsync(() => StartProcessAsync(cancellation));

    public IKeyValueStore StoreOf(int client) => _link.StoreOf(client);

    public void CutOff(string why) => _link.CutOff(why);

    public async Task<IReadOnlyList<string>> FindProblemsAsync() => _link.Process.IsRunning
        ? [.. (await _link.StatusAsync()).Where(n => !n.IsUp || n.HasFailed).Select(n => n.ToString())]
        : ["the embedded host ended by itself"];

    public ValueTask DisposeAsync()
    {
        _link.Dispose();
        _disk?.Dispose();
        return ValueTask.CompletedTask;
    }

    private Task<StoreProcess> StartProcessAsync(CancellationToken cancellation)
    {
        string[] arguments = EmbeddedStore.Arguments(Path.Combine(_directory, "data"), _clients);
        return StoreProcess.StartAsync(ProgramFiles.Command(ProgramFiles.Find("Chaos"), arguments, _disk?.Entrance),
            Path.Combine(_directory, $"embedded-{++_lives}.log"), cancellation);
    }

    private async Task KillAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        say("kill: the whole process, all nodes at once");
        TimeSpan pause = TimeSpan.FromMilliseconds(random.Next(300));
        await _link.RestartAsync(pause, () => StartProcessAsync(cancellation), cancellation);
        say("kill: started again");
    }

    private async Task StopAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        TimeSpan pause = Pauses.Draw(random);
        say($"stop: the whole process for {pause.TotalSeconds:F1} s");
        using (PausedProcess.Stop(_link.Process.Id)) await Task.Delay(pause, cancellation);
        say("stop: continued");
    }

    private async Task KillNodeAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        string[] nodes = Draw(random, random.Next(4) == 0 ? 2 : 1);
        say($"node-kill: {string.Join(", ", nodes)}");
        foreach (string node in nodes) await _link.Process.CallAsync(0, "kill", node);
        await Task.Delay(random.Next(1500), cancellation);
        foreach (string node in nodes) await _link.Process.CallAsync(0, "start", node);
        say("node-kill: started again");
    }

    private async Task IsolateAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        string[] nodes = Draw(random, random.Next(4) == 0 ? 2 : 1);
        TimeSpan duration = TimeSpan.FromSeconds(0.5 + random.NextDouble() * 2);
        say($"isolate: {string.Join(", ", nodes)} for {duration.TotalSeconds:F1} s");
        foreach (string node in nodes) await _link.Process.CallAsync(0, "isolate", node);
        await Task.Delay(duration, cancellation);
        await _link.Process.CallAsync(0, "heal");
        say("isolate: healed");
    }

    /// <summary>Splits a group between its keys in use and merges the two again. One merge at least is seen through;
    /// after others the next fault comes while they go on.</summary>
    private async Task MergeAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        do
        {
            string at = $"{Keys.FirstCharacters[random.Next(Keys.FirstCharacters.Length)]}m";
            bool follow = !_hasMerged || random.Next(2) == 0;
            say($"merge: a group is split at {at}");
            await AskAsync("split", [PipeText.Word(at)], cancellation);
            await Task.Delay(random.Next(500), cancellation);
            string[] answer = await AskAsync("merge", [PipeText.Word(at), follow ? "1" : "0"], cancellation);
            string said = PipeText.Text(answer[0]);
            say($"merge: {said}");
            _hasMerged |= said == PipeText.Merged;
        }
        while (!_hasMerged);
    }

    /// <summary>Asks until the controller, which an earlier fault may have left without a leader, answers.</summary>
    private async Task<string[]> AskAsync(string verb, string[] words, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return await _link.Process.CallAsync(0, verb, words);
            }
            catch (UnavailableException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), cancellation);
            }
        }
    }

    private async Task RestartNodeAsync(string node)
    {
        await _link.Process.CallAsync(0, "kill", node);
        await _link.Process.CallAsync(0, "start", node);
    }

    private static string[] Draw(Random random, int count)
    {
        int[] numbers = [.. Enumerable.Range(1, Nodes)];
        random.Shuffle(numbers);
        return [.. numbers.Take(count).Select(NodeName)];
    }

    private static string NodeName(int number) => $"node-{number}";
}
