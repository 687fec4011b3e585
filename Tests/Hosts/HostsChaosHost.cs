using System.Diagnostics;
using System.Globalization;
using Orleans.Raft.Chaos;
using Orleans.Raft.KeyValue;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Hosts;

/// <summary>A silo on each of several hosts, and a client of theirs on another one.</summary>
/// <remarks>Hosts are numbered from 1: the silos' come first, then the one of the client of all silos, then that of the
/// client that knows only the minority, then that of the database, if there is one.</remarks>
internal sealed class HostsChaosHost : IChaosHost
{
    private const string Table = "cuts";
    private const int SiloPort = 11111;
    private const int GatewayPort = 30000;
    private const int LostPercent = 10;

    /// <summary>The silos' network is broken for so long by what is no cut.</summary>
    private static readonly TimeSpan LossDuration = TimeSpan.FromSeconds(4);

    /// <summary>Silos of a cluster take one for dead that none of them hears for longer; it then ends, to be started
    /// anew.</summary>
    private static readonly TimeSpan SiloDeath = TimeSpan.FromSeconds(8);

    private readonly string _directory;
    private readonly HostsOptions _options;
    private readonly int _clients;
    private readonly HostNetwork _network;
    private readonly SiloSeat[] _seats;
    private readonly StoreLink _link;
    private readonly Dictionary<string, Fault> _faults = [];
    private readonly List<CutReport> _reports = [];

    /// <summary>Of each group: what was committed after the last cut.</summary>
    private readonly Dictionary<string, ulong> _committed = [];

    private SiloCluster? _silos;
    private PostgresServer? _server;
    private SlotLayout? _layout;
    private int _trials;

    /// <param name="clients">That load needs; probes have more.</param>
    /// <exception cref="NetworkException">This machine does not permit it; the message says why.</exception>
    public HostsChaosHost(string directory, int clients, HostsOptions options, Action<string> say)
    {
        _directory = directory;
        _options = options;
        // Clients of odd numbers give up soon.
        _clients = clients + clients % 2;
        if (options.Database != DatabaseUse.None && !PostgresServer.IsAvailable(out string reason))
            throw new NetworkException(reason);
        _network = HostNetwork.Create(options.Hosts + 3, options.Delay, say);
        _seats = [.. Enumerable.Range(1, options.Hosts).Select(host => new SiloSeat(
            HostNetwork.AddressOf(host, options.IsIPv6), SiloPort, GatewayPort, _network.Entrance(host)))];
        _link = new StoreLink(_clients + 4);
        foreach (CutKind kind in CutKind.Of(options.Hosts))
            _faults[kind.Name] = (random, told, cancellation) => CutAsync(kind, random, told, cancellation);
        _faults["loss"] = LoseAsync;
    }

    /// <summary>Of all cuts so far.</summary>
    public IReadOnlyList<CutReport> Reports => _reports;

    public IReadOnlyDictionary<string, Fault> Faults => _faults;

    public IReadOnlyDictionary<string, string> Impossible { get; } = new Dictionary<string, string>();

    public async Task StartAsync(CancellationToken cancellation)
    {
        string[] found = _options.Database == DatabaseUse.None ? [] : await StartDatabaseAsync();
        _silos = new SiloCluster(_directory, _seats, _options.Hosts,
        [
            "--log-segment", "1", "--snapshot-after", "1", "--split-at", CutTrial.SplitAt, "--replicas",
            _options.Hosts.ToString(CultureInfo.InvariantCulture), .. found,
            .. _options.IsVerbose ? (string[])["--verbose"] : [],
        ]);
        await RestartAsync(cancellation);
        await _link.StartAsync(() => StartClientAsync(ClientHost, _seats, _clients + 4, "client.log", cancellation));
    }

    public IKeyValueStore StoreOf(int client) => _link.StoreOf(client);

    public void CutOff(string why) => _link.CutOff(why);

    public async Task<IReadOnlyList<string>> FindProblemsAsync()
    {
        if (!_link.Process.IsRunning) return ["the client's process ended by itself; see client.log"];
        string[] ended = [.. Enumerable.Range(0, _options.Hosts).Where(silo => !Silos.IsRunning(silo))
            .Select(silo => $"{SiloCluster.NameOf(silo)} ended by itself; see its log")];
        if (ended.Length > 0) return ended;
        string[] down = [.. (await _link.StatusAsync()).Where(node => !node.IsUp || node.HasFailed)
            .Select(node => node.ToString())];
        return down.Length > 0 ? down : FindDivergence(await _link.ReplicasAsync());
    }

    public async ValueTask DisposeAsync()
    {
        _link.Dispose();
        _silos?.Dispose();
        try
        {
            if (_server is not null) await _server.DisposeAsync();
        }
        finally
        {
            _network.Dispose();
        }
    }

    private SiloCluster Silos => _silos ?? throw new InvalidOperationException("Nothing was started.");

    private int ClientHost => _options.Hosts + 1;

    private int InsideHost => _options.Hosts + 2;

    private int DatabaseHost => _options.Hosts + 3;

    /// <summary>Starts the server and makes what silos need of it, by their own command.</summary>
    /// <returns>What silos are told of it.</returns>
    private async Task<string[]> StartDatabaseAsync()
    {
        IReadOnlyList<string> entrance = _network.Entrance(DatabaseHost);
        _server = await PostgresServer.StartOnAsync(entrance,
            HostNetwork.AddressOf(DatabaseHost, _options.IsIPv6));
        SlotLayout layout = await SlotLayout.MakeAsync(_server, "silos", Path.Combine(_directory, "slots.json"),
            _options.Hosts);
        bool hasSlots = _options.Database == DatabaseUse.Slots;
        string[] command =
        [
            .. entrance, "dotnet", ProgramFiles.Find("Silo"), "init-database", "--database", layout.Database,
            .. hasSlots ? (string[])["--slots", layout.File] : [],
        ];
        Tool.Run(command[0], "", command[1..]);
        if (hasSlots) _layout = layout;
        return hasSlots ? layout.Arguments : ["--clustering", "postgresql", "--database", layout.Database];
    }

    /// <summary>Every group has a replica on every host, all follow one leader, and all have what was committed after
    /// the last cut.</summary>
    private List<string> FindDivergence(IReadOnlyList<ReplicaReport> replicas)
    {
        var problems = new List<string>();
        foreach (IGrouping<string, ReplicaReport> group in replicas.GroupBy(replica => replica.Group))
        {
            string roles = string.Join(", ", group.Select(r => $"{r.Node} {r.Role} t{r.Term} i{r.Applied}"));
            if (group.Count() != _options.Hosts || group.Count(r => r.Leads) != 1
                || group.Select(r => r.Term).Distinct().Count() != 1
                || group.Any(r => r.Role is not ("leader" or "follower"))) problems.Add($"{group.Key}: {roles}");
            else if (group.Any(r => r.Applied < _committed.GetValueOrDefault(group.Key)))
                problems.Add($"{group.Key}: not all have i{_committed[group.Key]}: {roles}");
        }
        return problems;
    }

    private async Task CutAsync(CutKind kind, Random random, Action<string> say, CancellationToken cancellation)
    {
        int[] minority = kind.Draw(_options.Hosts, random);
        string names = string.Join(", ", minority.Select(SiloCluster.NameOf));
        int number = ++_trials;
        if (_layout is { } layout) await SlotMoves.EvenAsync(layout, _options.Hosts, cancellation);
        // It is up and served before the cut.
        using var inside = new StoreLink(1);
        await inside.StartAsync(() => StartClientAsync(InsideHost, [.. minority.Select(silo => _seats[silo])], 1,
            string.Create(CultureInfo.InvariantCulture, $"client-of-minority-{number}.log"), cancellation));
        var trial = new CutTrial(number, StoreOf(_clients), StoreOf(_clients + 2), inside.StoreOf(0));
        string[] parted = [.. minority.Select(silo => HostNetwork.PortOf(silo + 1)), HostNetwork.PortOf(InsideHost)];
        string[] others = [.. Enumerable.Range(0, _options.Hosts).Except(minority)
            .Select(silo => HostNetwork.PortOf(silo + 1))];
        CutRules rules = kind.Rules(Table, parted, others,
            [HostNetwork.PortOf(ClientHost), HostNetwork.PortOf(DatabaseHost)]);
        SlotMoves? moves = _layout is null ? null : new SlotMoves(_layout, Silos, minority,
            async () => FindDivergence(await _link.ReplicasAsync()), say, cancellation);
        say($"{kind.Name}: {names}");
        long start = Stopwatch.GetTimestamp();
        (TimeSpan write, TimeSpan read) = await trial.RunAsync(() => _network.Apply(rules), Heal, _options.CutDuration,
            say, cancellation, moves);
        var report = new CutReport(kind.Name, names, write, read);
        lock (_reports) _reports.Add(report);
        say(report.ToString());
        say($"{kind.Name}: {trial.Judge(_directory)}");
        if (moves is null) await RestartDeadAsync(minority, Stopwatch.GetElapsedTime(start), say, cancellation);
        await NoteCommittedAsync();
    }

    private async Task LoseAsync(Random random, Action<string> say, CancellationToken cancellation)
    {
        int silo = random.Next(_options.Hosts);
        say($"loss: {LostPercent} % of the packets from and to {SiloCluster.NameOf(silo)}");
        _network.Apply(new CutRules(Table).Lose([HostNetwork.PortOf(silo + 1)], LostPercent));
        try
        {
            await Task.Delay(LossDuration, cancellation);
        }
        finally
        {
            Heal();
        }
        say("loss: healed");
        await NoteCommittedAsync();
    }

    private void Heal() => _network.Apply(new CutRules(Table));

    /// <summary>As whoever runs silos for real does.</summary>
    private async Task RestartDeadAsync(int[] minority, TimeSpan lasted, Action<string> say,
        CancellationToken cancellation)
    {
        int[] ended = [.. minority.Where(silo => !Silos.IsRunning(silo))];
        if (ended.Length == 0 || lasted < SiloDeath) return;
        say($"started anew, as the others took it for dead: {string.Join(", ", ended.Select(SiloCluster.NameOf))}");
        await RestartAsync(cancellation);
    }

    /// <summary>What is committed now, every replica must have soon.</summary>
    private async Task NoteCommittedAsync()
    {
        foreach (ReplicaReport replica in await _link.ReplicasAsync())
            _committed[replica.Group] = Math.Max(_committed.GetValueOrDefault(replica.Group), replica.Commit);
    }

    private Task RestartAsync(CancellationToken cancellation)
    {
        Silos.StartMissing();
        return Silos.ReadyAsync(cancellation);
    }

    private Task<StoreProcess> StartClientAsync(int host, SiloSeat[] seats, int clients, string log,
        CancellationToken cancellation)
    {
        string[] arguments = ["--gateways", string.Join(',', seats.Select(seat => seat.Gateway)), "--clients",
            clients.ToString(CultureInfo.InvariantCulture)];
        return StoreProcess.StartAsync(
            ProgramFiles.Command(ProgramFiles.Find("Chaos.Silos"), arguments, _network.Entrance(host)),
            Path.Combine(_directory, log), cancellation);
    }
}
