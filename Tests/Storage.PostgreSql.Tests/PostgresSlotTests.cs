using Orleans.Raft.Core;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>What is assumed of a real server: its transactions, its failures, its settings.</summary>
public sealed class PostgresSlotTests(PostgresFixture fixture) : IClassFixture<PostgresFixture>
{
    private static void RequireDurable(Replica replica, string what)
    {
        PostgresMachine.WaitUntil(what, () => replica.Observer.Durable == replica.Number
            || replica.Observer.Failures.Count > 0);
        Assert.Empty(replica.Observer.Failures);
    }

    [PostgresFact]
    public async Task The_older_of_two_openings_is_fenced_by_flush_confirmation_and_chunk()
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        machine.Open();
        Replica older = machine.OpenReplica(G1);
        older.Write(Entries(1, 3));
        DatabaseStorage first = machine.Slot;
        machine.Open();
        Assert.Throws<FencedException>(() => machine.Run(() => first.ConfirmAsync().AsTask()));
        Assert.False(older.Storage.IsCurrent);
        machine.OpenReplica(G1).Write(Entries(4, 1));

        DatabaseStorage second = machine.Slot;
        Replica middle = machine.OpenReplica(G1);
        machine.Open();
        middle.Submit(Entries(5, 5, term: 9));
        PostgresMachine.WaitUntil("the flush is refused", () => second.Failure is not null);
        Assert.IsType<FencedException>(second.Failure);
        Assert.Equal(0ul, middle.Observer.Durable);

        Replica third = machine.OpenReplica(G1);
        ISnapshotWriter writer = machine.Run(async () => await third.Storage.CreateSnapshotAsync(Id(2)));
        await using DatabaseStorage last = await machine.OpenAnotherAsync();
        Assert.Throws<FencedException>(() => machine.Run(async () =>
        {
            await writer.WriteAsync(Content(3000));
            return true;
        }));
        Assert.Equal("0", machine.Query("select count(*) from \"slot-1\".snapshot_chunk"));
        await machine.Slot.DisposeAsync();
        machine.Open();
        Same.Entries(Entries(1, 4), machine.OpenReplica(G1).State.Entries.Span);
        await machine.Slot.DisposeAsync();
    }

    /// <summary>A row lock holds the flush up in the middle, so that it is surely under way when its backend
    /// ends.</summary>
    [PostgresFact]
    public async Task A_backend_killed_in_the_middle_of_a_flush_costs_nothing_but_time()
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        replica.Write(Entries(1, 2));
        await using (var blocker = new Npgsql.NpgsqlConnection(machine.Server.ConnectionString(machine.Database)))
        {
            await blocker.OpenAsync();
            await using Npgsql.NpgsqlTransaction transaction = await blocker.BeginTransactionAsync();
            await using (var command = new Npgsql.NpgsqlCommand(
                "select from \"slot-1\".opening for update", blocker)) await command.ExecuteNonQueryAsync();
            replica.Submit(Entries(3, 2));
            await PostgresServer.WaitUntilAsync("the flush waits for the row", async () =>
                await machine.Server.EndBackendsAsync($"datname = '{machine.Database}' and wait_event_type = 'Lock'")
                    == 1);
            await transaction.RollbackAsync();
        }
        RequireDurable(replica, "the flush is applied after all");
        Assert.Contains(machine.Log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal));
        machine.Reopen();
        Same.Entries(Entries(1, 4), machine.OpenReplica(G1).State.Entries.Span);
        await machine.Slot.DisposeAsync();
    }

    /// <summary>With a synchronous standby that is not there, a flush is committed and waits for ever: killed there,
    /// it is
    /// found to be applied, and the second one waits as well.</summary>
    [PostgresFact]
    public async Task A_flush_that_was_committed_but_not_acknowledged_is_found_applied_and_waited_for_again()
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        PostgresMachine machine = await PostgresMachine.MakeAsync(server, "db");
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        await server.SetAsync("synchronous_standby_names", "nobody");
        const string Waiting = "wait_event = 'SyncRep'";
        replica.Submit(Entries(1, 3));
        await PostgresServer.WaitUntilAsync("the flush waits for the standby",
            async () => await server.EndBackendsAsync(Waiting) == 1);
        await PostgresServer.WaitUntilAsync("it is committed",
            async () => await server.QueryAsync(machine.Database, "select count(*) from \"slot-1\".entry") == "3");
        Assert.Equal(0ul, replica.Observer.Durable);
        // A cancelled wait is answered as if all were well, with a warning beside.
        await PostgresServer.WaitUntilAsync("the second one waits too, and the warning is noticed", async () =>
        {
            await server.QueryAsync("postgres", $"select pg_cancel_backend(pid) from pg_stat_activity where {Waiting}");
            return machine.Slot.Trouble?.Contains("warned", StringComparison.Ordinal) == true;
        });
        Assert.Equal(0ul, replica.Observer.Durable);
        await server.ExecuteAsync("alter system reset synchronous_standby_names", "select pg_reload_conf()");
        RequireDurable(replica, "it is acknowledged when no standby is asked for any more");
        Assert.Equal("3", machine.Query("select count(*) from \"slot-1\".entry"));
        await machine.Slot.DisposeAsync();
    }

    [PostgresFact]
    public async Task A_server_that_restarts_under_load_loses_nothing_acknowledged()
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        PostgresMachine machine = await PostgresMachine.MakeAsync(server, "db");
        machine.Open();
        Replica[] replicas = [.. Enumerable.Range(1, 5).Select(group => machine.OpenReplica(new GroupId((uint)group)))];
        ulong index = 0;
        foreach (PostgresStop stop in (PostgresStop[])[PostgresStop.Fast, PostgresStop.Immediate])
        {
            Task restart = server.RestartAsync(stop);
            for (int more = 0; more < 50 || !restart.IsCompleted; more++)
            {
                index++;
                foreach (Replica replica in replicas) replica.Submit(Entries(index, 1));
                PostgresMachine.WaitUntil("the first is durable or the server is back",
                    () => replicas[0].Observer.Durable == replicas[0].Number || restart.IsCompleted);
            }
            await restart;
            foreach (Replica replica in replicas) RequireDurable(replica, "the flush goes through again");
        }
        machine.Reopen();
        for (uint group = 1; group <= 5; group++)
            Same.Entries(Entries(1, (int)index), machine.OpenReplica(new GroupId(group)).State.Entries.Span);
        await machine.Slot.DisposeAsync();
    }

    [PostgresFact]
    public async Task A_read_only_database_is_waited_for_and_refused_at_an_opening()
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        PostgresMachine machine = await PostgresMachine.MakeAsync(server, "db");
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        await server.SetAsync("default_transaction_read_only", "on");
        replica.Submit(Entries(1, 1));
        PostgresMachine.WaitUntil("the refusal is known", () => machine.Slot.Trouble is not null);
        Assert.Contains("default_transaction_read_only", machine.Slot.Trouble, StringComparison.Ordinal);
        Assert.True(machine.Slot.StalledFor > TimeSpan.Zero);
        DatabaseException refused = await Assert.ThrowsAsync<DatabaseException>(machine.OpenAnotherAsync);
        Assert.Equal(DatabaseFailure.ReadOnly, refused.Failure);
        await server.ExecuteAsync("set default_transaction_read_only = off",
            "alter system set default_transaction_read_only = off", "select pg_reload_conf()");
        RequireDurable(replica, "it takes writes again");
        await machine.Slot.DisposeAsync();
    }

    /// <summary>A tablespace on a small file system in memory.</summary>
    [SmallDiskFact]
    public async Task A_full_database_is_waited_for_and_a_snapshot_without_room_is_given_up()
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        string folder = await server.MakeFolderAsync("small");
        await SmallFileSystem.MountAsync(folder, "24m");
        try
        {
            string inside = await server.MakeFolderAsync("small/space");
            await server.ExecuteAsync($"create tablespace small location '{inside}'");
            PostgresMachine machine = await PostgresMachine.MakeAsync(server, "db", "small");
            machine.Open();
            Replica replica = machine.OpenReplica(G1);
            replica.Write(Entries(1, 10));
            await File.WriteAllBytesAsync(Path.Combine(folder, "ballast"), new byte[11 << 20]);
            Assert.Equal(DiskFailure.Full, Assert.Throws<DiskException>(
                () => machine.WriteSnapshot(replica.Storage, Id(5), Content(12 << 20))).Failure);
            machine.Settle();
            ulong index = 10;
            while (machine.Slot.Trouble is null)
            {
                replica.Submit(Entries(++index, 1, bytes: 300_000));
                PostgresMachine.WaitUntil("it is durable or refused", () =>
                    replica.Observer.Durable == replica.Number || machine.Slot.Trouble is not null);
            }
            Assert.Contains("53100", machine.Slot.Trouble, StringComparison.Ordinal);
            Assert.True(replica.Observer.Durable < replica.Number);
            File.Delete(Path.Combine(folder, "ballast"));
            RequireDurable(replica, "there is room again");
            machine.Reopen();
            Assert.Equal((int)index, machine.OpenReplica(G1).State.Entries.Length);
            await machine.Slot.DisposeAsync();
            await server.StopAsync();
        }
        finally
        {
            await server.StopAsync(PostgresStop.Immediate);
            await SmallFileSystem.UnmountAsync(folder);
        }
    }

    [PostgresTheory]
    [InlineData("fsync")]
    [InlineData("full_page_writes")]
    [InlineData("synchronous_commit")]
    public async Task A_server_that_acknowledges_what_it_may_lose_is_refused_whenever_it_begins_to(string setting)
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        PostgresMachine machine = await PostgresMachine.MakeAsync(server, "db");
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        replica.Write(Entries(1, 1));
        await server.SetAsync(setting, "off");
        DatabaseException refused = await Assert.ThrowsAsync<DatabaseException>(machine.OpenAnotherAsync);
        Assert.Equal(DatabaseFailure.Unsafe, refused.Failure);
        Assert.Contains(setting, refused.Message, StringComparison.Ordinal);
        refused = await Assert.ThrowsAsync<DatabaseException>(() => machine.Schema.PrepareAsync(Guid.NewGuid));
        Assert.Equal(DatabaseFailure.Unsafe, refused.Failure);
        if (setting == "synchronous_commit")
        {
            replica.Write(Entries(2, 1)); // A connection that was checked keeps what it had.
        }
        else
        {
            replica.Submit(Entries(2, 1));
            PostgresMachine.WaitUntil("the refusal is known", () => machine.Slot.Trouble is not null);
            Assert.Contains(setting, machine.Slot.Trouble, StringComparison.Ordinal);
            Assert.Equal(1ul, replica.Observer.Durable);
            await server.SetAsync(setting, "on");
            RequireDurable(replica, "the setting is right again");
        }
        await machine.Slot.DisposeAsync();
    }

    [PostgresFact]
    public async Task A_restored_dump_is_another_server_until_an_operator_accepts_it()
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        machine.Open();
        machine.OpenReplica(G1).Write(Entries(1, 3));
        await machine.Slot.DisposeAsync();
        string dump = await machine.Server.RunAsync("pg_dump", machine.Database);
        await using PostgresServer other = await PostgresServer.StartAsync();
        await other.CreateDatabaseAsync(machine.Database);
        string file = Path.Combine(await other.MakeFolderAsync("dump"), "dump.sql");
        await File.WriteAllTextAsync(file, dump);
        await other.RunAsync("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, machine.Database);
        machine.MoveTo(other);
        await RequireOtherServer(machine, "another server (system identifier");
        Same.Entries(Entries(1, 3), machine.OpenReplica(G1).State.Entries.Span);
        await machine.Slot.DisposeAsync();
    }

    [PostgresFact]
    public async Task A_promoted_standby_is_another_server_until_an_operator_accepts_it()
    {
        await using PostgresServer primary = await PostgresServer.StartAsync();
        PostgresMachine machine = await PostgresMachine.MakeAsync(primary, "db");
        machine.Open();
        await using PostgresServer standby = await primary.StartStandbyAsync();
        await primary.SetAsync("synchronous_standby_names", "*");
        await PostgresServer.WaitUntilAsync("the standby follows", async () => await primary.QueryAsync("postgres",
            "select count(*) from pg_stat_replication where sync_state = 'sync'") == "1");
        Replica replica = machine.OpenReplica(G1);
        replica.Write(Entries(1, 3));
        await primary.StopAsync(PostgresStop.Immediate);
        machine.Crash();
        machine.MoveTo(standby);
        DatabaseException refused = await Assert.ThrowsAsync<DatabaseException>(machine.OpenAnotherAsync);
        Assert.Equal(DatabaseFailure.ReadOnly, refused.Failure);
        await standby.PromoteAsync();
        await standby.ExecuteAsync("alter system reset synchronous_standby_names", "select pg_reload_conf()");
        await RequireOtherServer(machine, "timeline 2 instead of 1");
        Same.Entries(Entries(1, 3), machine.OpenReplica(G1).State.Entries.Span);
        await machine.Slot.DisposeAsync();
    }

    [PostgresTheory]
    [InlineData("update \"slot-1\".entry set data = data || '\\x00' where index = 2", "entry",
        "(group_id, index)=(1, 2)")]
    [InlineData("delete from \"slot-1\".entry where index = 2", "entry", "entry i2 is missing")]
    [InlineData("update \"slot-1\".replica set vote = vote + 1", "replica", "(group_id)=(1)")]
    [InlineData("update \"slot-1\".formation set data = '\\x00'", "formation", "checksum")]
    public async Task A_row_that_is_not_what_was_written_is_refused_by_table_and_key(
        string damage, string table, string key)
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        machine.Open();
        machine.Run(() => machine.Storage.WriteFormationAsync(Content(10)).AsTask());
        machine.OpenReplica(G1).Write(Entries(1, 3));
        await machine.Slot.DisposeAsync();
        await machine.Server.ExecuteInAsync(machine.Database, damage);
        CorruptionException refused = await Assert.ThrowsAsync<CorruptionException>(machine.OpenAnotherAsync);
        Assert.Contains($"table {table}", refused.Message, StringComparison.Ordinal);
        Assert.Contains(key, refused.Message, StringComparison.Ordinal);
    }

    [PostgresFact]
    public async Task A_slot_is_made_once_and_checked_and_a_missing_one_names_the_command()
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        await machine.Schema.CheckAsync();
        Assert.EndsWith(": the tables are up to date (version 1).", await machine.Schema.PrepareAsync(Guid.NewGuid),
            StringComparison.Ordinal);
        var missing = new SlotSchema(machine.Options with { Slot = "slot-2" });
        DatabaseException refused = await Assert.ThrowsAsync<DatabaseException>(missing.CheckAsync);
        Assert.Equal(DatabaseFailure.Schema, refused.Failure);
        Assert.Contains("init-database", refused.Message, StringComparison.Ordinal);
        refused = await Assert.ThrowsAsync<DatabaseException>(() => DatabaseStorage.OpenAsync(
            new PostgresSlotDatabase(machine.Options with { Slot = "slot-2" }),
            new DatabaseStorageOptions { Scheduler = TaskScheduler.Default, Time = TimeProvider.System }));
        Assert.Equal(DatabaseFailure.Schema, refused.Failure);
        Assert.Contains("init-database", refused.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new SlotSchema(machine.Options with { Slot = "a\"; drop" }));
        await machine.Schema.DropAsync();
        await Assert.ThrowsAsync<DatabaseException>(machine.Schema.CheckAsync);
    }

    private static async Task RequireOtherServer(PostgresMachine machine, string what)
    {
        DatabaseException refused = await Assert.ThrowsAsync<DatabaseException>(machine.OpenAnotherAsync);
        Assert.Equal(DatabaseFailure.Identity, refused.Failure);
        Assert.True(refused.IsFinal);
        Assert.Contains(what, refused.Message, StringComparison.Ordinal);
        Assert.Contains("accept-database Slot-1", refused.Message, StringComparison.Ordinal);
        Assert.Contains("accepted", await machine.Schema.AcceptAsync(), StringComparison.Ordinal);
        machine.Open();
    }
}
