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
}
