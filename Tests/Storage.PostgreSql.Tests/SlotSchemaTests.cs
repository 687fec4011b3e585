using Orleans.Raft.PostgreSql;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>The tables of a slot are made and brought up to date in steps.</summary>
public sealed class SlotSchemaTests(PostgresFixture fixture) : IClassFixture<PostgresFixture>
{
    private const string Newer = "have version 2, and this program uses version 1: a newer program has upgraded them";

    [PostgresFact]
    public async Task An_older_slot_is_upgraded_with_what_it_holds_and_whoever_has_it_open_is_fenced()
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        machine.Open();
        Replica replica = machine.OpenReplica(G1);
        replica.Write(Entries(1, 3));
        var next = new SlotSchema(machine.Options, ["alter table \"slot-1\".entry add column note text default 'new'"]);
        await RefusedAsync("have version 1, and this program uses version 2. Upgrade them: dotnet run --project Silo "
            + "-- init-database", next.CheckAsync);
        Assert.EndsWith(": the tables were upgraded from version 1 to 2.", await next.PrepareAsync(Guid.NewGuid),
            StringComparison.Ordinal);
        Assert.EndsWith(": the tables are up to date (version 2).", await next.PrepareAsync(Guid.NewGuid),
            StringComparison.Ordinal);
        await next.CheckAsync();
        Assert.Equal("3", machine.Query("select count(*) from \"slot-1\".entry where note = 'new'"));

        replica.Submit(Entries(4, 1));
        PostgresMachine.WaitUntil("the opening by the older program has ended", () => machine.Slot.Failure is not null);
        Assert.IsType<FencedException>(machine.Slot.Failure);
        Assert.Equal("3", machine.Query("select count(*) from \"slot-1\".entry"));
        await machine.Slot.DisposeAsync();
    }

    [PostgresFact]
    public async Task A_newer_slot_is_refused_by_everything_and_left_as_it_is()
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        await new SlotSchema(machine.Options, ["select 1"]).PrepareAsync(Guid.NewGuid);
        string store = machine.Query("select store::text from \"slot-1\".store");
        await RefusedAsync(Newer, machine.Schema.CheckAsync);
        await RefusedAsync(Newer, () => machine.Schema.PrepareAsync(Guid.NewGuid));
        await RefusedAsync(Newer, machine.Schema.AcceptAsync);
        await RefusedAsync(Newer, machine.OpenAnotherAsync);
        Assert.Equal(store, machine.Query("select store::text from \"slot-1\".store"));
    }

    [PostgresFact]
    public async Task A_step_that_fails_changes_nothing()
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        string[] steps = ["create table \"slot-1\".half (a int)", "nonsense"];
        await RefusedAsync("syntax error",
            () => new SlotSchema(machine.Options, steps).PrepareAsync(Guid.NewGuid));
        Assert.Equal("0", machine.Query("select count(*) from pg_tables where tablename = 'half'"));
        await machine.Schema.CheckAsync();
        PostgresOptions other = machine.Options with { Slot = "slot-2" };
        await RefusedAsync("syntax error", () => new SlotSchema(other, ["nonsense"]).PrepareAsync(Guid.NewGuid));
        await RefusedAsync("There is no slot slot-2", new SlotSchema(other).CheckAsync);
    }

    [PostgresFact]
    public async Task Any_number_may_make_a_slot_at_once_and_one_does()
    {
        PostgresMachine machine = await fixture.MakeSlotAsync();
        PostgresOptions other = machine.Options with { Slot = "slot-2" };
        string[] told = await Task.WhenAll(Enumerable.Range(0, 8)
            .Select(_ => new SlotSchema(other).PrepareAsync(Guid.NewGuid)));
        Assert.Single(told, text => text.EndsWith(": the tables were made (version 1).", StringComparison.Ordinal));
        Assert.Equal(7, told.Count(text =>
            text.EndsWith(": the tables are up to date (version 1).", StringComparison.Ordinal)));
    }

    private static async Task RefusedAsync(string reason, Func<Task> work)
    {
        DatabaseException refused = await Assert.ThrowsAsync<DatabaseException>(work);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }
}
