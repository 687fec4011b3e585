namespace Orleans.Raft.Core.Tests;

/// <summary>Drives a cluster whose messages arrive late, out of order or not at all, as drawn from a seed.</summary>
internal sealed class SlowNetwork(Cluster cluster, ulong seed)
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(5);

    private readonly PriorityQueue<(ReplicaId From, ReplicaId To, RaftMessage Message), (TimeSpan Due, int Number)>
        _underWay = new();
    private readonly HashSet<ReplicaId> _disconnected = [];
    private SplitMix64 _random = new(seed);
    private int _numbers;

    /// <summary>Of a message being lost, 0 to 1.</summary>
    public double Loss { get; init; }

    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>Two of three replies take 200 ms to 2.2 s.</summary>
    public bool DelaysRepliesLong { get; set; }

    public int Lost { get; private set; }

    /// <summary>Messages that arrived after one sent later on the same way.</summary>
    public int Overtaken { get; private set; }

    public int Disconnections { get; private set; }

    public static SlowNetwork Unreliable(Cluster cluster, ulong seed) =>
        new(cluster, seed) { Loss = 0.1, MaxDelay = TimeSpan.FromMilliseconds(27) };

    public bool IsConnected(ReplicaId id) => !_disconnected.Contains(id);

    public int Connected => cluster.Replicas.Count - _disconnected.Count;

    public void Disconnect(ReplicaId id)
    {
        if (!_disconnected.Add(id)) return;
        Disconnections++;
        cluster.Isolate(id.Value);
    }

    public void Connect(ReplicaId id)
    {
        _disconnected.Remove(id);
        cluster.Heal();
        foreach (ReplicaId other in _disconnected) cluster.Isolate(other.Value);
    }

    public void ConnectAll()
    {
        _disconnected.Clear();
        cluster.Heal();
    }

    public void Run(TimeSpan time)
    {
        for (TimeSpan end = cluster.Now + time; cluster.Now < end;)
        {
            cluster.Now += Period;
            foreach (Replica replica in cluster.Replicas)
                if (replica.IsUp) replica.Tick(cluster.Now);
            Take();
            while (_underWay.TryPeek(out _, out (TimeSpan Due, int Number) next) && next.Due <= cluster.Now)
            {
                (ReplicaId from, ReplicaId to, RaftMessage message) = _underWay.Dequeue();
                if (cluster.IsCut(from, to)) Lost++;
                else Hand(from, to, message, next.Number);
                Take();
            }
        }
    }

    public void Run(double electionTimeouts) => Run(ElectionTimeout * electionTimeouts);

    private readonly Dictionary<(ReplicaId, ReplicaId), int> _newest = [];

    private void Hand(ReplicaId from, ReplicaId to, RaftMessage message, int number)
    {
        if (_newest.GetValueOrDefault((from, to)) > number) Overtaken++;
        else _newest[(from, to)] = number;
        cluster.Hand(from, to, message);
    }

    private void Take()
    {
        cluster.Collect();
        foreach ((ReplicaId From, ReplicaId To, RaftMessage Message) sent in cluster.InFlight)
        {
            if (_random.NextUnit() < Loss)
            {
                Lost++;
                continue;
            }

            _underWay.Enqueue(sent, (cluster.Now + DelayOf(sent.Message), ++_numbers));
        }

        cluster.InFlight.Clear();
    }

    private TimeSpan DelayOf(RaftMessage message)
    {
        if (DelaysRepliesLong && IsReply(message) && _random.NextBelow(900) < 600)
            return TimeSpan.FromMilliseconds(200 + _random.NextBelow(1 + _random.NextBelow(2000)));
        return MaxDelay * _random.NextUnit();
    }

    private static bool IsReply(RaftMessage message) => message is AppendEntriesReply or AppendEntriesRejection
        or HeartbeatReply or RequestVoteReply or PreVoteReply;
}
