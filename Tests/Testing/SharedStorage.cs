using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Testing;

/// <summary>A node's storage that another process might open unnoticed: whether it did, a test says.</summary>
public sealed class SharedStorage(INodeStorage inner) : INodeStorage
{
    private readonly List<TaskCompletionSource> _waiting = [];

    /// <summary>Whether questions wait until <see cref="Answer"/>; else they are answered at once.</summary>
    public bool HoldsQuestions { get; set; }

    /// <summary>Whether another process has it by now.</summary>
    public bool IsTaken { get; set; }

    /// <summary>How often it was asked.</summary>
    public int Questions { get; private set; }

    public bool NeedsConfirming => true;

    public StoreId StoreId => inner.StoreId;

    public ReadOnlyMemory<byte>? Formation => inner.Formation;

    public IReadOnlyList<StoredReplica> Replicas => inner.Replicas;

    public StorageStatus Status => inner.Status;

    public Exception? Failure => inner.Failure;

    public TimeSpan StalledFor => inner.StalledFor;

    public string? WaitsFor => inner.WaitsFor;

    public async ValueTask ConfirmAsync()
    {
        Questions++;
        if (HoldsQuestions)
        {
            var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add(answer);
            await answer.Task;
        }
        if (IsTaken) throw new FencedException("Another process has opened this storage.");
    }

    /// <summary>Answers all that wait, each by what is true now.</summary>
    public void Answer()
    {
        foreach (TaskCompletionSource answer in _waiting) answer.SetResult();
        _waiting.Clear();
    }

    public ValueTask WriteFormationAsync(ReadOnlyMemory<byte> formation) => inner.WriteFormationAsync(formation);

    public ValueTask RewriteFormationAsync(ReadOnlyMemory<byte> formation) => inner.RewriteFormationAsync(formation);

    public StoredReplica FindReplica(GroupId group) => inner.FindReplica(group);

    public ValueTask<IReplicaStorage> OpenReplicaAsync(GroupId group, ReplicaId replica) =>
        inner.OpenReplicaAsync(group, replica);

    public ValueTask RetireReplicaAsync(GroupId group, ReplicaId replica) => inner.RetireReplicaAsync(group, replica);

    public ValueTask CrashAsync() => inner.CrashAsync();

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
