using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Testing;

/// <content>What may happen to a node short of a crash.</content>
public sealed partial class StoreCluster
{
    /// <summary>A node's own clocks; they outlive its crashes.</summary>
    public NodeClock ClockOf(NodeName name) => _clocks[name];

    /// <summary>Where a node that is up or starting runs.</summary>
    public NodeScheduler SchedulerOf(NodeName name) => _lives[name].Lane;

    internal NodeLife LifeOf(NodeName name) => _lives[name];

    /// <summary>Whether a node's process, or one of two, stands still.</summary>
    public bool IsPaused(NodeName name) => LivesOf(name).Any(life => life.Lane.IsPaused);

    private IEnumerable<NodeLife> LivesOf(NodeName name) =>
        new[] { _lives.GetValueOrDefault(name), _earlier.GetValueOrDefault(name) }.OfType<NodeLife>();

    /// <summary>The earlier of two openings of a node's storage, while its process lives; null if there is
    /// none.</summary>
    public StoreNode? EarlierOf(NodeName name) => _earlier.GetValueOrDefault(name)?.Node;

    /// <summary>
    /// Opens a node's storage a second time, in another process with a clock of its own, as is done when the node is
    /// taken for dead. The first one goes on, paused or not, until <see cref="StopEarlier"/>: only that it is fenced
    /// stops it. All that asks for the node by name finds the second from now on; of callers every second finds the
    /// first. For databases: a disk's lock does not allow it.
    /// </summary>
    /// <param name="following">Nodes whose frames go to the first until <see cref="SimulatedNetwork.Guide"/>.</param>
    /// <param name="isParted">Until then these hear only the first, and all others only the second.</param>
    public void StartElsewhere(NodeName name, HashSet<NodeName> following, bool isParted)
    {
        NodeLife life = _lives[name];
        if (life.Node is null || !_earlier.TryAdd(name, life))
            throw new InvalidOperationException($"{name} is not up, or two openings of its storage live.");
        _lives.Remove(name);
        Nodes.Remove(name);
        _up = null;
        Network.KeepEarlier(name, following, isParted);
        _clocks[name] = new NodeClock(Time, life.Lane);
        StartNode(name);
    }

    /// <summary>Ends the process of the earlier of two openings; does nothing if there is none.</summary>
    public void StopEarlier(NodeName name)
    {
        if (!_earlier.Remove(name, out NodeLife? life)) return;
        Network.DetachEarlier(name);
        End(life);
    }

    /// <summary>
    /// Stops a node's process, as SIGSTOP does: nothing of it runs, its timers do not fire, frames, requests and
    /// completions of its disk wait. Its clock goes on. Does nothing if it is down.
    /// </summary>
    public void Pause(NodeName name)
    {
        if (_lives.TryGetValue(name, out NodeLife? life)) life.Lane.Pause();
    }

    /// <summary>Lets a paused node go on; does nothing if it is not paused.</summary>
    public void Resume(NodeName name)
    {
        if (!IsPaused(name)) return;
        foreach (NodeLife life in LivesOf(name)) life.Lane.Resume();
        Network.Release(name);
    }

    /// <summary>
    /// Opens a second instance of a live replica. Until the older one says that it stopped, at most for
    /// <paramref name="overlap"/>, both are ticked and given every frame, and callers still find the older one: only
    /// that it is fenced stops it. Then the node takes the younger. Never ends if the node crashes meanwhile.
    /// </summary>
    /// <param name="overlap">Null: a second.</param>
    public Task<(Replica Old, Replica New)> OpenSecondInstanceAsync(
        NodeName name, GroupId group, TimeSpan? overlap = null)
    {
        NodeLife life = _lives[name];
        StoreNode node = Nodes[name];
        return life.Lane.Start(async () =>
        {
            Replica older = node.Find(group)
                ?? throw new InvalidOperationException($"{name} has no open replica of {group}.");
            Replica younger = await Replica.OpenAsync(node, node.FindOwn(group)!, life.Lane);
            life.SecondInstances.Add(younger);
            TimeSpan end = Time.Now + (overlap ?? TimeSpan.FromSeconds(1));
            while (older.StopReason is null && Time.Now < end) await Time.AfterAsync(TickPeriod);
            life.SecondInstances.Remove(younger);
            node.Adopt(younger);
            return (older, younger);
        });
    }

    /// <summary>A node that is down gets an empty disk in place of its own.</summary>
    public void LoseDisk(NodeName name) => MakeMedium(name);

    /// <summary>What a node's storage stands on.</summary>
    public ISimulatedMedium MediumOf(NodeName name) => Disks.TryGetValue(name, out SimulatedDisk? disk)
        ? disk
        : Databases[name];

    private void MakeMedium(NodeName name)
    {
        int seed = _random.Next();
        if (_options.Storage == SimulatedStorage.Disks) Disks[name] = new SimulatedDisk(seed);
        else
        {
            Databases[name] = new SimulatedDatabase(seed, Time, Scheduler)
            {
                Description = $"the database of {name}",
            };
        }
    }

    /// <summary>Asks the leader of a group to hand over to the replica on another node.</summary>
    public async Task<TransferStatus> TransferLeadershipAsync(GroupId group, NodeName to) =>
        LeaderOf(group) is { } leader && !IsPaused(leader) && Nodes[leader].Find(group) is { } replica
            ? await replica.TransferLeadershipAsync(to)
            : TransferStatus.NotLeader;
}
