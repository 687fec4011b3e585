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

    public bool IsPaused(NodeName name) => _lives.TryGetValue(name, out NodeLife? life) && life.Lane.IsPaused;

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
        _lives[name].Lane.Resume();
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
    public void LoseDisk(NodeName name) => Disks[name] = new SimulatedDisk(_random.Next());

    /// <summary>Asks the leader of a group to hand over to the replica on another node.</summary>
    public async Task<TransferStatus> TransferLeadershipAsync(GroupId group, NodeName to) =>
        LeaderOf(group) is { } leader && !IsPaused(leader) && Nodes[leader].Find(group) is { } replica
            ? await replica.TransferLeadershipAsync(to)
            : TransferStatus.NotLeader;
}
