using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Xunit;
using static Orleans.Raft.Testing.StorageMachine;

namespace Orleans.Raft.Testing;

/// <summary>What was removed never comes back.</summary>
public abstract partial class StorageContract
{
    private MachineReplica OpenFourthWithSnapshot(ulong id = 4)
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1, id);
        replica.Write(Entries(1, 10), Voted);
        replica.RecordSnapshot(_machine.WriteSnapshot(replica.Storage, Id(6), Content(5000)));
        return replica;
    }

    private void RequireRemoved()
    {
        StoredReplica stored = _machine.Storage.FindReplica(G1);
        Assert.Equal((ReplicaId.None, new ReplicaId(4), null), (stored.Replica, stored.Removed, stored.Snapshot));
        Assert.Equal([stored], _machine.Storage.Replicas);
        for (ulong id = 1; id <= 4; id++)
        {
            ulong refused = id;
            Assert.False(stored.MayOpen(new ReplicaId(refused)));
            Assert.Throws<ReplicaRefusedException>(() => _machine.OpenReplica(G1, refused));
        }
    }

    [Fact]
    public void A_removed_replica_leaves_nothing_but_the_word_that_it_is_gone_across_restarts_too()
    {
        OpenFourthWithSnapshot();
        _machine.Retire(G1, 4);
        _machine.Settle();
        Assert.Equal(0, _machine.SnapshotsKept);
        RequireRemoved();
        _machine.Reopen();
        RequireRemoved();
        Same.State(RaftState.Empty, _machine.OpenReplica(G1, 5).State);
    }

    [Fact]
    public void A_later_replica_begins_empty_and_the_one_before_stays_removed()
    {
        OpenFourthWithSnapshot();
        _machine.Retire(G1, 4);
        MachineReplica later = _machine.OpenReplica(G1, 5);
        Same.State(RaftState.Empty, later.State);
        Assert.Null(later.Storage.Snapshot);
        later.Write(Entries(1, 2, term: 9));
        _machine.Reopen();
        Assert.Throws<ReplicaRefusedException>(() => _machine.OpenReplica(G1, 4));
        later = _machine.OpenReplica(G1, 5);
        Same.State(new RaftState(default, EntryId.Zero, Entries(1, 2, term: 9)), later.State);
        _machine.Retire(G1, 4); // Known already, and no word against the later one.
        Assert.True(later.Storage.IsCurrent);
        _machine.Reopen();
        Same.State(new RaftState(default, EntryId.Zero, Entries(1, 2, term: 9)), _machine.OpenReplica(G1, 5).State);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void Only_the_replica_whose_state_is_here_can_be_opened_and_a_refused_one_fences_nobody(ulong other)
    {
        MachineReplica replica = OpenFourthWithSnapshot();
        ReplicaRefusedException refused =
            Assert.Throws<ReplicaRefusedException>(() => _machine.OpenReplica(G1, other));
        Assert.Contains("r4", refused.Message, StringComparison.Ordinal);
        Assert.True(replica.Storage.IsCurrent);
        replica.Write(Entries(11, 1));
        _machine.Reopen();
        Assert.Throws<ReplicaRefusedException>(() => _machine.OpenReplica(G1, other));
        Assert.Equal(new LogIndex(11), _machine.OpenReplica(G1, 4).State.Entries.Span[^1].Index);
    }

    [Fact]
    public void A_replica_that_never_was_here_can_be_removed()
    {
        _machine.Open();
        _machine.Retire(G1, 4);
        RequireRemoved();
        _machine.Reopen();
        RequireRemoved();
    }

    [Fact]
    public void A_removed_replicas_handle_writes_nothing_any_more()
    {
        MachineReplica removed = OpenFourthWithSnapshot();
        ISnapshotWriter writer = null!;
        _machine.Run(async () => writer = await removed.Storage.CreateSnapshotAsync(Id(9)));
        _machine.Retire(G1, 4);
        Assert.False(removed.Storage.IsCurrent);
        Assert.Null(removed.Storage.Snapshot);
        removed.Submit(Entries(11, 5));
        Assert.Throws<FencedException>(() => _machine.Run(async () => await writer.FinishAsync()));
        _machine.Run(() => writer.DisposeAsync().AsTask());
        _machine.Settle();
        Assert.Equal(0, _machine.SnapshotsKept);
        Assert.Empty(removed.Observer.Failures);
        _machine.Reopen();
        RequireRemoved();
    }

    [Fact]
    public void A_reader_keeps_the_file_until_it_closes_and_the_next_replicas_file_of_the_same_entry_stays()
    {
        MachineReplica replica = OpenFourthWithSnapshot();
        ISnapshotReader reader = null!;
        _machine.Run(async () => reader = await replica.Storage.OpenSnapshotAsync(replica.Storage.Snapshot!));
        _machine.Retire(G1, 4);
        _machine.Settle();
        byte[] content = new byte[5000];
        _machine.Run(async () => Assert.Equal(5000, await reader.ReadAsync(0, content)));
        Assert.Equal(Content(5000), content);
        MachineReplica later = _machine.OpenReplica(G1, 5);
        SnapshotFile same = _machine.WriteSnapshot(later.Storage, Id(6), Content(5000));
        later.Write(snapshot: Id(6));
        Assert.Equal(2, _machine.SnapshotsKept);
        _machine.Run(() => reader.DisposeAsync().AsTask());
        _machine.Settle();
        Assert.Equal(1, _machine.SnapshotsKept);
        Assert.Equal(Content(5000), _machine.ReadSnapshot(later.Storage, same));
        _machine.Reopen();
        Assert.Equal(same, _machine.OpenReplica(G1, 5).Storage.Snapshot);
    }
}
