using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Xunit;
using static Orleans.Raft.Testing.StorageMachine;

namespace Orleans.Raft.Testing;

/// <summary>What every kind of storage promises: what is written, and what is recovered.</summary>
public abstract partial class StorageContract
{
    private static readonly HardState Voted = new(new Term(3), new ReplicaId(2), new LogIndex(7));

    private readonly StorageMachine _machine;

    protected StorageContract(StorageMachine machine) => _machine = machine;

    private static HardState Hard(ulong term, ulong vote = 0, ulong commit = 0) =>
        new(new Term(term), new ReplicaId(vote), new LogIndex(commit));

    [Fact]
    public void A_new_directory_gets_a_store_id_that_it_keeps()
    {
        StoreId first = _machine.Open().StoreId;
        _machine.Reopen();
        Assert.Equal(first, _machine.Storage.StoreId);
        Assert.NotEqual(Guid.Empty, first.Value);
        Assert.Empty(_machine.Storage.Replicas);
    }

    [Fact]
    public void Entries_and_hard_state_are_recovered_per_group()
    {
        _machine.Open();
        MachineReplica second = _machine.OpenReplica(G2);
        MachineReplica first = _machine.OpenReplica(G1);
        first.Write(Entries(1, 3), Hard(1, 2, 1));
        second.Write(Entries(1, 5, term: 4), Hard(4));
        first.Write(Entries(4, 2, term: 2));
        first.Write(hardState: Hard(2, 1, 5));
        _machine.Reopen();
        Assert.Equal([G1, G2], _machine.Storage.Replicas.Select(replica => replica.Group));
        Same.State(new RaftState(Hard(2, 1, 5), EntryId.Zero,
            (LogEntry[])[.. Entries(1, 3), .. Entries(4, 2, term: 2)]),
            _machine.OpenReplica(G1).State);
        Same.State(new RaftState(Hard(4), EntryId.Zero, Entries(1, 5, term: 4)), _machine.OpenReplica(G2).State);
        Same.State(RaftState.Empty, _machine.OpenReplica(G3).State);
    }

    [Fact]
    public void The_first_entry_truncates_what_is_stored_from_its_index_on()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        replica.Write(Entries(1, 10));
        replica.Write(Entries(4, 2, term: 2));
        _machine.Reopen();
        Same.Entries([.. Entries(1, 3), .. Entries(4, 2, term: 2)], _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void Empty_and_large_payloads_and_all_kinds_survive()
    {
        _machine.Open();
        LogEntry[] entries =
        [
            new(new Term(1), new LogIndex(1), EntryKind.NoOp, default),
            Entry(2, bytes: 100_000), // Larger than a segment.
            new(new Term(1), new LogIndex(3), EntryKind.Command, default),
            Entry(4, bytes: 1),
        ];
        MachineReplica replica = _machine.OpenReplica(G1);
        replica.Write(entries);
        replica.Write(Entries(5, 3));
        _machine.Reopen();
        Same.Entries([.. entries, .. Entries(5, 3)], _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void The_formation_is_recorded_once()
    {
        _machine.Open();
        Assert.Null(_machine.Storage.Formation);
        byte[] formation = Content(3000);
        _machine.Run(() => _machine.Storage.WriteFormationAsync(formation).AsTask());
        Assert.Equal(formation, _machine.Storage.Formation!.Value.ToArray());
        Assert.Throws<InvalidOperationException>(() =>
            _machine.Run(() => _machine.Storage.WriteFormationAsync(formation).AsTask()));
        _machine.Reopen();
        Assert.Equal(formation, _machine.Storage.Formation!.Value.ToArray());
        Assert.Throws<InvalidOperationException>(() =>
            _machine.Run(() => _machine.Storage.WriteFormationAsync(formation).AsTask()));
    }

    [Fact]
    public void A_write_that_leaves_a_gap_stops_that_replica_alone()
    {
        _machine.Open();
        MachineReplica broken = _machine.OpenReplica(G1);
        MachineReplica other = _machine.OpenReplica(G2);
        broken.Write(Entries(1, 3));
        broken.Submit(Entries(5, 1));
        broken.Submit(Entries(4, 1));
        other.Write(Entries(1, 1));
        Assert.IsType<InvariantViolationException>(Assert.Single(broken.Observer.Failures));
        Assert.Equal(1ul, broken.Observer.Durable);
        Assert.False(broken.Storage.IsCurrent);
        Assert.True(other.Storage.IsCurrent);
        Assert.Null(_machine.Storage.Status.Failure);
        Same.Entries(Entries(1, 3), _machine.OpenReplica(G1).State.Entries.Span);
    }

    [Fact]
    public void Requests_that_make_no_sense_are_refused_when_submitted()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        Assert.Throws<InvariantViolationException>(() => replica.Submit([Entry(1), Entry(3)]));
        Assert.Throws<InvariantViolationException>(() => replica.Submit([Entry(0)]));
        Assert.Throws<InvariantViolationException>(() => replica.Submit(snapshot: Id(5)));
        replica.Write(Entries(1, 1));
        Assert.Throws<InvariantViolationException>(
            () => replica.Storage.Submit(new PersistRequest(1, null, null, Entries(2, 1)), replica.Observer));
    }

    [Fact]
    public void Closing_writes_what_is_queued()
    {
        _machine.Open();
        MachineReplica replica = _machine.OpenReplica(G1);
        replica.Submit(Entries(1, 50, bytes: 1000));
        _machine.Close();
        _machine.LosePower();
        _machine.Open();
        Same.Entries(Entries(1, 50, bytes: 1000), _machine.OpenReplica(G1).State.Entries.Span);
        Assert.False(replica.Storage.IsCurrent);
    }

    [Fact]
    public void A_replica_that_cannot_be_told_stops_alone()
    {
        _machine.Open();
        MachineReplica first = _machine.OpenReplica(G1);
        MachineReplica broken = _machine.OpenReplica(G2);
        MachineReplica last = _machine.OpenReplica(G3);
        broken.Observer.Throws = new InvalidOperationException("its scheduler is gone");
        foreach (MachineReplica replica in new[] { first, broken, last }) replica.Submit(Entries(1, 1));
        _machine.Settle();
        Assert.Equal((1ul, 0ul, 1ul), (first.Observer.Durable, broken.Observer.Durable, last.Observer.Durable));
        Assert.False(broken.Storage.IsCurrent);
        Assert.Null(_machine.Storage.Status.Failure);

        first.Write(Entries(2, 1));
        last.Write(Entries(2, 1));
        // Opened again, it has all that is durable, and goes on.
        broken = _machine.OpenReplica(G2);
        Same.Entries(Entries(1, 1), broken.State.Entries.Span);
        broken.Write(Entries(2, 1));
    }
}
