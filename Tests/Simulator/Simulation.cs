using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>
/// The real store on one thread in virtual time, under lost, doubled and reordered frames, isolations, and crashes that
/// lose what was not flushed; a seed decides everything. Checked after every step: one leader per term, terms and
/// commits never go back. At the end: heal, converge, all replicas equal, every acknowledged write there.
/// </summary>
public sealed class Simulation
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    private readonly SimulationOptions _options;
    private readonly Random _random;
    private readonly StoreCluster _cluster;
    private readonly SimulationTrace _trace;
    private readonly List<string> _violations = [];
    private readonly SortedDictionary<(GroupId Group, Term Term), NodeName> _leaders = [];
    private readonly Dictionary<Replica, (Term Term, LogIndex Commit)> _progress = [];
    private int _crashes;
    private int _isolations;

    private Simulation(SimulationOptions options)
    {
        _options = options;
        _random = new Random((int)(options.Seed ^ 0x51a7));
        _cluster = new StoreCluster(new StoreClusterOptions
        {
            Seed = options.Seed,
            Nodes = options.Nodes,
            Groups = options.Groups,
            RandomOrder = true,
            LogSegmentBytes = 64 << 10,
            Replica = new ReplicaOptions { SnapshotLogBytes = 4 << 10, SnapshotChunkBytes = 1 << 10 },
            Client = new KvClientOptions { Timeout = TimeSpan.FromSeconds(3) },
        });
        _trace = new SimulationTrace(_cluster.Time);
        _cluster.Network.Observed = _trace.NoteFrame;
    }

    public static SimulationResult Run(SimulationOptions options)
    {
        var simulation = new Simulation(options);
        try
        {
            return simulation.Run();
        }
        catch (Exception failure)
            when (failure is TimeoutException or InvariantViolationException or InvalidOperationException)
        {
            simulation._violations.Add(failure.ToString());
            return simulation.Report([]);
        }
    }

    private SimulationResult Run()
    {
        SetUp();
        ClientModel[] clients = [.. Enumerable.Range(0, _options.Clients)
            .Select(i => new ClientModel(i, _cluster.CreateClient(), new Random((int)_options.Seed * 31 + i), _trace))];
        TimeSpan end = _cluster.Time.Now + _options.Duration;
        Running<bool>[] running = [.. clients.Select(client => _cluster.Begin(async () =>
        {
            await client.RunAsync(() => _cluster.Time.Now >= end, _violations);
            return true;
        }))];

        TimeSpan nextFault = _cluster.Time.Now + TimeSpan.FromMilliseconds(_random.Next(200, 1500));
        while (_cluster.Time.Now < end && _violations.Count == 0)
        {
            _cluster.RunFor(Step);
            CheckInvariants();
            if (_cluster.Time.Now < nextFault) continue;
            MakeFault();
            nextFault = _cluster.Time.Now + TimeSpan.FromMilliseconds(_random.Next(100, 1500));
        }
        HealAll();
        _cluster.RunUntil(() => running.All(r => r.HasEnded) || _violations.Count > 0, TimeSpan.FromSeconds(60),
            "all clients ended");
        foreach (Running<bool> client in running.Where(r => r.Failure is not null))
            _violations.Add($"a client failed: {client.Failure}");
        if (_violations.Count == 0) CheckEnd(clients);
        return Report(clients);
    }

    private void SetUp()
    {
        foreach (NodeName name in _cluster.Names) _cluster.StartNode(name);
        _cluster.RunUntil(_cluster.AllGroupsHaveLeaders, TimeSpan.FromSeconds(30), "every group has a leader");
        _cluster.Network.Faults = new NetworkFaults
        {
            Loss = _random.NextDouble() * 0.05,
            Duplication = _random.NextDouble() * 0.05,
            Delay = (TimeSpan.FromMilliseconds(0.2), TimeSpan.FromMilliseconds(_random.Next(1, 30))),
        };
        _cluster.ClientLoss = _random.NextDouble() * 0.03;
    }

    private void MakeFault()
    {
        NodeName[] up = [.. _cluster.Nodes.Keys];
        NodeName[] down = [.. _cluster.Names.Except(up)];
        int choice = _random.Next(10);
        if (choice < 5 && up.Length > 0)
        {
            NodeName victim = up[_random.Next(up.Length)];
            CrashLoss loss = (CrashLoss)_random.Next(3);
            _trace.Note($"crash {victim} losing {loss}");
            _cluster.CrashNode(victim, loss);
            _crashes++;
        }
        if (down.Length > 0 && choice is not (0 or 1)) Restart(down[_random.Next(down.Length)]);
        if (choice == 6)
        {
            NodeName victim = _cluster.Names[_random.Next(_cluster.Names.Count)];
            _trace.Note($"isolate {victim}");
            _cluster.Network.Isolate(victim, _cluster.Names);
            _isolations++;
        }
        if (choice is 7 or 8)
        {
            _trace.Note("heal");
            _cluster.Network.Heal();
        }
    }

    private void Restart(NodeName name)
    {
        _trace.Note($"start {name}");
        _cluster.StartNode(name);
    }

    private void HealAll()
    {
        _cluster.Network.Heal();
        _cluster.Network.Faults = new NetworkFaults();
        _cluster.ClientLoss = 0;
        foreach (NodeName down in _cluster.Names.Except(_cluster.Nodes.Keys).ToArray()) Restart(down);
    }

    private void CheckInvariants()
    {
        foreach ((NodeName name, Exception failure) in _cluster.StartFailure)
            _violations.Add($"{name} could not start: {failure}");
        foreach (StoreNode node in _cluster.Nodes.Values)
        {
            foreach (Replica replica in node.Replicas)
            {
                ReplicaStatus status = replica.Status;
                if (status.Role == "failed") _violations.Add($"{node.Name} {replica.Group} failed: {status.Reason}");
                if (_progress.TryGetValue(replica, out (Term Term, LogIndex Commit) before)
                    && (status.Term < before.Term || status.Commit < before.Commit))
                    _violations.Add($"{node.Name} {replica.Group} went back from {before.Term} {before.Commit} to "
                        + $"{status.Term} {status.Commit}");
                _progress[replica] = (status.Term, status.Commit);
                if (status.Role != "leader") continue;
                if (_leaders.TryGetValue((replica.Group, status.Term), out NodeName other) && other != node.Name)
                    _violations.Add($"{other} and {node.Name} both led {replica.Group} in {status.Term}");
                _leaders[(replica.Group, status.Term)] = node.Name;
            }
        }
    }

    private void CheckEnd(ClientModel[] clients)
    {
        _cluster.RunUntil(() => _cluster.Nodes.Count == _options.Nodes && _cluster.AllGroupsHaveLeaders(),
            TimeSpan.FromSeconds(30), "all nodes are up and all groups led");
        foreach (ClientModel client in clients) _cluster.Run(() => client.CheckAllAsync(_violations));
        foreach (GroupId group in _cluster.Nodes.Values.First().Formation.Groups.Select(g => g.Group))
            CompareReplicas(group);
        CheckInvariants();
    }

    private void CompareReplicas(GroupId group)
    {
        Replica[] replicas = [.. _cluster.Nodes.Values.Select(n => n.Find(group)).OfType<Replica>()];
        StateDigest?[] digests = [];
        // Time goes on while digests are taken, and entries with it: only digests of one index compare.
        for (int attempt = 0; attempt < 20; attempt++)
        {
            _cluster.RunUntil(() => replicas.Select(r => r.Status.Applied).Distinct().Count() == 1,
                TimeSpan.FromSeconds(30), $"all replicas of {group} applied the same index");
            digests = [.. replicas.Select(replica => _cluster.Run(replica.DigestAsync))];
            if (digests.Select(d => d?.LastApplied).Distinct().Count() == 1) break;
        }
        if (digests.Distinct().Count() != 1)
            _violations.Add($"replicas of {group} differ: {string.Join(", ", digests)}");
    }

    private SimulationResult Report(ClientModel[] clients) => new(_options.Seed, _trace.Hash, _cluster.Time.Now,
        _cluster.Nodes.Values.SelectMany(n => n.Replicas).GroupBy(r => r.Group)
        .Sum(g => (long)g.Max(r => r.Status.Commit.Value)),
        _leaders.Count, _crashes, _isolations, _cluster.Network.Dropped, _cluster.Network.Delivered,
        clients.Sum(c => c.Acknowledged), clients.Sum(c => c.Unknown), clients.Sum(c => c.ReadsChecked),
        _violations.Count == 0 ? [] : [.. _violations.Take(10), "last events:", .. _trace.Last]);
}
