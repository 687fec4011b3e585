using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>What is damaged is found when the slot is opened, by table and key, and nothing is repaired.</summary>
public sealed class SlotRecoveryTests
{
    private readonly SlotMachine _machine = new();

    private Replica OpenFull()
    {
        _machine.Open();
        _machine.Run(() => _machine.Storage.WriteFormationAsync(Content(100)).AsTask());
        Replica replica = _machine.OpenReplica(G2);
        replica.Write(Entries(1, 10), new HardState(new Term(3), R1, new LogIndex(4)));
        replica.RecordSnapshot(_machine.WriteSnapshot(replica.Storage, Id(4), Content(2500)));
        _machine.OpenReplica(G3).Write(Entries(1, 2));
        _machine.Crash();
        return replica;
    }

    private void RequireRefused(string table, string key)
    {
        CorruptionException refused = Assert.Throws<CorruptionException>(() => _machine.Open());
        Assert.Contains($"table {table}", refused.Path, StringComparison.Ordinal);
        Assert.Contains(key, refused.Message, StringComparison.Ordinal);
        Assert.Contains("replace this slot", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_whole_slot_opens()
    {
        OpenFull();
        _machine.Open();
        Same.Entries(Entries(5, 6), _machine.OpenReplica(G2).State.Entries.Span);
    }

    [Fact]
    public void A_flipped_bit_of_an_entry_is_found()
    {
        OpenFull();
        _machine.Database.RotEntry(G2, 7);
        RequireRefused("entry", "(group_id, index)=(2, 7)");
    }

    [Theory]
    [InlineData(5, "entry 5 is missing")]
    [InlineData(7, "entry 7 is missing")]
    public void A_missing_entry_is_found(ulong index, string what)
    {
        OpenFull();
        _machine.Database.LoseEntry(G2, index);
        RequireRefused("entry", what.Replace("entry ", "entry i", StringComparison.Ordinal));
    }

    [Fact]
    public void Any_changed_field_of_a_replica_is_found()
    {
        OpenFull();
        Func<ReplicaRow, ReplicaRow>[] changes =
        [
            row => row with { Incarnation = row.Incarnation + 1 },
            row => row with { Replica = new ReplicaId(2) },
            row => row with { Removed = new ReplicaId(9) },
            row => row with { HardState = row.HardState with { Term = new Term(2) } },
            row => row with { HardState = row.HardState with { VotedFor = new ReplicaId(2) } },
            row => row with { HardState = row.HardState with { Commit = new LogIndex(5) } },
            row => row with { Snapshot = null },
            row => row with { Snapshot = row.Snapshot! with { ChunkBytes = 2048 } },
            row => row with { Snapshot = row.Snapshot! with { Key = new SnapshotKey(1, 9) } },
            row => row with { Snapshot = row.Snapshot! with { File = row.Snapshot.File with { Last = Id(5) } } },
            row => row with { Snapshot = row.Snapshot! with { File = row.Snapshot.File with { Checksum = 1 } } },
            row => row with { Snapshot = row.Snapshot! with { File = row.Snapshot.File with { LengthBytes = 1 } } },
        ];
        foreach (Func<ReplicaRow, ReplicaRow> change in changes)
        {
            ReplicaRow before = null!;
            _machine.Database.ChangeReplica(G2, row => change(before = row));
            RequireRefused("replica", "(group_id)=(2)");
            _machine.Database.ChangeReplica(G2, _ => before);
        }
        _machine.Open();
    }

    [Fact]
    public void A_missing_replica_row_is_found_by_its_entries()
    {
        OpenFull();
        _machine.Database.ChangeReplica(G2, _ => null);
        RequireRefused("replica", "(group_id)=(2)");
    }

    [Fact]
    public void A_flipped_bit_of_the_formation_is_found()
    {
        OpenFull();
        _machine.Database.RotFormation();
        RequireRefused("formation", "checksum");
    }

    [Fact]
    public void A_missing_chunk_is_found_when_the_slot_opens_and_a_damaged_one_when_it_is_read()
    {
        OpenFull();
        _machine.Database.RotSnapshot(drop: false);
        _machine.Open();
        Replica replica = _machine.OpenReplica(G2);
        CorruptionException refused = Assert.Throws<CorruptionException>(() =>
            _machine.ReadSnapshot(replica.Storage, replica.Storage.Snapshot!));
        Assert.Contains("number=2", refused.Message, StringComparison.Ordinal);
        _machine.Crash();
        _machine.Database.RotSnapshot(drop: true);
        RequireRefused("snapshot_chunk", "(incarnation, snapshot)=(1, 1)");
    }

    [Fact]
    public void A_refused_opening_removes_no_snapshot()
    {
        OpenFull();
        _machine.Database.ChangeReplica(G2, row => row with { Snapshot = null });
        RequireRefused("replica", "(group_id)=(2)");
        Assert.Equal(1, _machine.SnapshotsKept);
    }

    [Fact]
    public void Entries_that_a_snapshot_covers_are_deleted_with_the_flush_that_records_it()
    {
        OpenFull();
        Assert.Equal(6 + 2, _machine.Database.Entries);
    }
}
