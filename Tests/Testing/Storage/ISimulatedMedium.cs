using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Testing;

/// <summary>What the nodes of a simulated cluster keep their data on.</summary>
public enum SimulatedStorage
{
    /// <summary>A disk each, which only one process has at a time.</summary>
    Disks,

    /// <summary>A slot each, in a database of its own, which several processes may open.</summary>
    Databases,
}

/// <summary>What one simulated node's storage stands on, a disk or a database; it outlives the processes that use
/// it.</summary>
public interface ISimulatedMedium
{
    /// <summary>How many operations failed because they were to.</summary>
    long FailedOperations { get; }

    /// <summary>How many writes found no room.</summary>
    long WritesWithoutRoom { get; }

    /// <summary>How many more bytes there is room for; null: without end.</summary>
    long? FreeBytes { get; set; }

    /// <summary>Opens the storage of a node.</summary>
    Task<INodeStorage> OpenAsync(StorageContext context);

    /// <summary>What was not durable is lost, as far as that can be.</summary>
    void Crash(CrashLoss loss);

    /// <summary>All it held is lost; it is as if new.</summary>
    void Wipe();

    /// <summary>It takes that long from now on.</summary>
    void SlowDown(VirtualTime time, TimeSpan least, TimeSpan most);

    /// <summary>Flushes take no effect and do not complete until released.</summary>
    void HangFlushes();

    void ReleaseFlushes();

    /// <summary>What was to fail does not.</summary>
    void ForgetFailures();

    /// <summary>Flips a bit of what was durable, so that an opening must notice. Null, and nothing changes, if there is
    /// nothing of that kind.</summary>
    /// <returns>Where.</returns>
    string? RotDurable(Random random);

    /// <summary>Whether it durably holds an entry of a replica, or a snapshot with it, as a database can
    /// tell.</summary>
    bool Holds(GroupId group, ReplicaId replica, EntryId entry);
}
