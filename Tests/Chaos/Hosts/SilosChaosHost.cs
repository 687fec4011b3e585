using Orleans.Raft.KeyValue;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Chaos;

/// <summary>Three silo processes, and a client of theirs in a fourth, which stays whole.</summary>
public sealed class SilosChaosHost : IChaosHost
{
    private const int SegmentMebibytes = 1;

    private readonly string _directory;
    private readonly int _clients;
    private readonly SiloCluster _silos;
    private readonly StoreLink _link;
    private readonly SmallDisk? _disk;
    private readonly Dictionary<string, Fault> _faults = [];
    private readonly Dictionary<string, string> _impossible = [];

    public SilosChaosHost(string directory, int clients, long diskBytes)
    {
        _directory = directory;
        _clients = clients;
        // Small files, so that the log is given up and snapshots are taken many times in a run.
        _silos = new SiloCluster(directory, "--log-segment", $"{SegmentMebibytes}", "--snapshot-after",
            $"{SegmentMebibytes}");
        _link = new StoreLink(clients);
        string mounted = Directory.CreateDirectory(Path.Combine(directory, "small")).FullName;
        _disk = SmallDisk.TryMount(mounted, diskBytes, out string? reason);
        _faults["kill"] = KillAsync;
        if (PausedProcess.Obstacle is { } obstacle) _impossible["stop"] = obstacle;
        else _faults["stop"] = StopAsync;
        if (_disk is null)
        {
            _impossible["full"] = $"a small disk cannot be mounted: {reason}";
            return;
        }
        _silos.PutLastOn(_disk, mounted);
        _faults["full"] = new SmallDiskFault(_disk, SiloCluster.NameOf(Last), StoreOf(0), _link.StatusAsync,
            RestartLastAsync).RunAsync;
    }

    public IReadOnlyDictionary<string, Fault> Faults => _faults;

    public IReadOnlyDictionary<string, string> Impossible => _impossible;

    private static int Last => SiloCluster.Count - 1;

    public async Task StartAsync(CancellationToken cancellation)
    {
        await RestartAsync(cancellation);
        string[] arguments = ["--gateways", _silos.Gateways, "--clients", $"{_clients}"];
        await _link.StartAsync(() => StoreProcess.StartAsync(
            ProgramFiles.Command(ProgramFiles.Find("Chaos.Silos"), arguments), Path.Combine(_directory, "client.log"),
            cancellation));
    }

    public IKeyValueStore StoreOf(int client) => _link.StoreOf(client);

    public void CutOff(string why) => _link.CutOff(why);

    public async Task<IReadOnlyList<string>> FindProblemsAsync()
    {
        if (!_link.Process.IsRunning) return ["the client's process ended by itself; see client.log"];
        string[] ended = [.. Enumerable.Range(0, SiloCluster.Count).Where(silo => !_silos.IsRunning(silo))
            .Select(silo => $"{SiloCluster.NameOf(silo)} ended by itself; see its log")];
        if (ended.Length > 0) return ended;
        return [.. (await _link.StatusAsync()).Where(n => !n.IsUp || n.HasFailed).Select(n => n.ToString())];
    }

    public ValueTask DisposeAsync()
    {
        _link.Dispose();
        _silos.Dispose();
        _disk?.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task KillAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        int[] victims = Draw(random, random.Next(5) switch { 0 => SiloCluster.Count, 1 => 2, _ => 1 });
        say($"kill: {Names(victims)}");
        foreach (int silo in victims) _silos.Kill(silo);
        await Task.Delay(random.Next(2000), cancellation);
        await RestartAsync(cancellation);
        say("kill: started again and serving");
    }

    private async Task StopAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        int[] victims = Draw(random, random.Next(4) == 0 ? 2 : 1);
        TimeSpan pause = Pauses.Draw(random);
        // Who wakes up then finds that another one died meanwhile.
        int? killed = random.Next(4) == 0 ? Enumerable.Range(0, SiloCluster.Count).Except(victims).First() : null;
        string besides = killed is { } other ? $", and kill {Names([other])}" : "";
        say($"stop: {Names(victims)} for {pause.TotalSeconds:F1} s{besides}");
        PausedProcess[] paused = [.. victims.Select(_silos.Stop)];
        try
        {
            if (killed is { } silo) _silos.Kill(silo);
            await Task.Delay(pause, cancellation);
        }
        finally
        {
            foreach (PausedProcess process in paused) process.Dispose();
        }
        if (killed is not null) await RestartAsync(cancellation);
        say($"stop: continued{(killed is null ? "" : " and started again")}");
    }

    private Task RestartLastAsync(CancellationToken cancellation)
    {
        _silos.Kill(Last);
        return RestartAsync(cancellation);
    }

    private Task RestartAsync(CancellationToken cancellation)
    {
        _silos.StartMissing();
        return _silos.ReadyAsync(cancellation);
    }

    private static int[] Draw(Random random, int count)
    {
        int[] silos = [.. Enumerable.Range(0, SiloCluster.Count)];
        random.Shuffle(silos);
        return silos[..count];
    }

    private static string Names(IEnumerable<int> silos) => string.Join(", ", silos.Order().Select(SiloCluster.NameOf));
}
