using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Messaging;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Silo;
using Orleans.Runtime;
using Orleans.Runtime.Membership;
using Orleans.Runtime.MembershipService;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>The schema that silos find each other by, and what Orleans asks of a membership table, on it.</summary>
public sealed class ClusterDatabaseTests(PostgresFixture server) : IClassFixture<PostgresFixture>
{
    private const string Cluster = "cluster";

    [PostgresFact]
    public async Task A_database_is_prepared_once_and_any_number_may_do_so_at_once()
    {
        string connection = await server.CreateDatabaseAsync();
        await RefusedAsync("init-database", () => Check(connection));
        string[] told = await Task.WhenAll(Enumerable.Range(0, 8)
            .Select(_ => new ClusterDatabase(connection).PrepareAsync(CancellationToken.None)));
        Assert.Single(told, t => t.EndsWith("the schema was created (version 1).", StringComparison.Ordinal));
        Assert.Equal(7, told.Count(t => t.EndsWith("the schema is up to date (version 1).", StringComparison.Ordinal)));
        Assert.All(told, t => Assert.DoesNotContain("not-to-be-told", t, StringComparison.Ordinal));
        await Check(connection);
    }

    [PostgresFact]
    public async Task An_old_schema_is_upgraded_and_a_newer_one_refused()
    {
        string connection = await server.CreateDatabaseAsync();
        await new ClusterDatabase(connection).PrepareAsync(CancellationToken.None);
        string first = "select 1";
        var next = new ClusterDatabase(connection, [first, "create table next_step (a int)"]);
        await RefusedAsync("has schema version 1, and this program needs version 2: run dotnet run --project Silo -- "
            + "init-database", () => next.CheckAsync(CancellationToken.None));
        Assert.EndsWith("was upgraded from version 1 to 2.", await next.PrepareAsync(CancellationToken.None),
            StringComparison.Ordinal);
        await next.CheckAsync(CancellationToken.None);
        await PostgresFixture.ExecuteAsync(connection, "select * from next_step");
        await RefusedAsync("a newer program has upgraded it", () => Check(connection));
        await RefusedAsync("a newer program has upgraded it",
            () => new ClusterDatabase(connection).PrepareAsync(CancellationToken.None));
    }

    [PostgresFact]
    public async Task A_step_that_fails_changes_nothing()
    {
        string connection = await server.CreateDatabaseAsync();
        await RefusedAsync("syntax error", () =>
            new ClusterDatabase(connection, ["create table half (a int); nonsense"]).PrepareAsync(CancellationToken.None));
        await RefusedAsync("has no schema", () => Check(connection));
        await PostgresFixture.ExecuteAsync(connection, "create table half (a int)");
    }

    [PostgresFact]
    public async Task Tables_that_somebody_else_made_are_left_alone_and_ours_are_checked()
    {
        string connection = await server.CreateDatabaseAsync();
        await PostgresFixture.ExecuteAsync(connection, "create table OrleansQuery (QueryKey text, QueryText text)");
        await RefusedAsync("has a table OrleansQuery that this program did not make",
            () => new ClusterDatabase(connection).PrepareAsync(CancellationToken.None));
        await new ClusterDatabase($"{await WithSchemaAsync(connection)}").PrepareAsync(CancellationToken.None);

        string changed = await server.CreateDatabaseAsync();
        await new ClusterDatabase(changed).PrepareAsync(CancellationToken.None);
        await PostgresFixture.ExecuteAsync(changed, "delete from orleansquery where querykey = 'GatewaysQueryKey'");
        await RefusedAsync("lacks GatewaysQueryKey", () => Check(changed));
        await RefusedAsync("lacks GatewaysQueryKey",
            () => new ClusterDatabase(changed).PrepareAsync(CancellationToken.None));
    }

    [PostgresFact]
    public async Task A_database_that_does_not_answer_is_named_without_its_password()
    {
        string connection = await server.CreateDatabaseAsync();
        ClusterDatabaseException failure = await Assert.ThrowsAsync<ClusterDatabaseException>(
            () => Check(connection.Replace("Database=test", "Database=no", StringComparison.Ordinal)));
        Assert.Contains($"at 127.0.0.1:{server.Port} cannot be used: database \"no", failure.Message,
            StringComparison.Ordinal);
        Assert.DoesNotContain("not-to-be-told", failure.Message, StringComparison.Ordinal);
    }

    [PostgresFact]
    public async Task A_row_comes_back_as_it_was_written()
    {
        IMembershipTable table = await OpenTableAsync();
        MembershipEntry entry = Entry(1);
        Assert.True(await table.InsertRowAsync(entry, (await table.ReadAllAsync()).Version.Next()));
        entry.AddSuspector(Address(2), new DateTime(2024, 5, 6, 7, 8, 9, DateTimeKind.Utc));
        entry.Status = SiloStatus.ShuttingDown;
        MembershipTableData before = await table.ReadAllAsync();
        Assert.True(await table.UpdateRowAsync(entry, Assert.Single(before.Members).Item2, before.Version.Next()));
        MembershipTableData read = await table.ReadRowAsync(entry.SiloAddress);
        MembershipEntry found = Assert.Single(read.Members).Item1;
        Assert.Equal(2, read.Version.Version);
        Assert.Equal(entry.ToFullString(), found.ToFullString());
        Assert.Equal(entry.IAmAliveTime, found.IAmAliveTime);
        Assert.Empty((await table.ReadRowAsync(Address(9))).Members);
    }

    [PostgresFact]
    public async Task Only_the_latest_version_may_be_changed_and_what_is_refused_changes_nothing()
    {
        IMembershipTable table = await OpenTableAsync();
        TableVersion old = (await table.ReadAllAsync()).Version;
        Assert.True(await table.InsertRowAsync(Entry(1), old.Next()));
        Assert.False(await table.InsertRowAsync(Entry(2), old.Next()));
        Assert.False(await table.InsertRowAsync(Entry(1), (await table.ReadAllAsync()).Version.Next()));
        string etag = Assert.Single((await table.ReadAllAsync()).Members).Item2;
        Assert.False(await table.UpdateRowAsync(Entry(1), etag, old.Next()));
        Assert.False(await table.UpdateRowAsync(Entry(2), etag, (await table.ReadAllAsync()).Version.Next()));
        MembershipTableData now = await table.ReadAllAsync();
        Assert.Equal(1, now.Version.Version);
        Assert.Equal(Entry(1).SiloAddress, Assert.Single(now.Members).Item1.SiloAddress);
    }

    [PostgresFact]
    public async Task Every_change_counts_when_many_change_at_once()
    {
        const int Writers = 4, Each = 25;
        string connection = await PreparedAsync();
        await OpenTableAsync(connection);
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            IMembershipTable table = await OpenTableAsync(connection);
            for (int i = 0; i < Each; i++)
            {
                while (!await table.InsertRowAsync(Entry(writer * Each + i + 1), (await table.ReadAllAsync()).Version.Next()))
                {
                    // Another one was faster: read again, as Orleans does.
                }
            }
        })));
        MembershipTableData read = await (await OpenTableAsync(connection)).ReadAllAsync();
        Assert.Equal(Writers * Each, read.Members.Count);
        Assert.Equal(Writers * Each, read.Version.Version);
    }

    [PostgresFact]
    public async Task Being_alive_changes_no_version_old_dead_rows_are_cleaned_and_clusters_are_apart()
    {
        string connection = await PreparedAsync();
        IMembershipTable table = await OpenTableAsync(connection);
        IMembershipTable other = await OpenTableAsync(connection, "other");
        MembershipEntry dead = Entry(1), alive = Entry(2);
        dead.Status = SiloStatus.Dead;
        await table.InsertRowAsync(dead, (await table.ReadAllAsync()).Version.Next());
        await table.InsertRowAsync(alive, (await table.ReadAllAsync()).Version.Next());
        await other.InsertRowAsync(Entry(3), (await other.ReadAllAsync()).Version.Next());
        alive.IAmAliveTime = alive.IAmAliveTime.AddMinutes(1);
        await table.UpdateIAmAliveAsync(alive);
        MembershipTableData read = await table.ReadAllAsync();
        Assert.Equal(2, read.Version.Version);
        Assert.Equal(alive.IAmAliveTime,
            read.Members.Single(m => m.Item1.SiloAddress.Equals(alive.SiloAddress)).Item1.IAmAliveTime);

        await table.CleanupDefunctSiloEntriesAsync(new DateTimeOffset(dead.IAmAliveTime).AddDays(-1));
        Assert.Equal(2, (await table.ReadAllAsync()).Members.Count);
        await table.CleanupDefunctSiloEntriesAsync(new DateTimeOffset(dead.IAmAliveTime).AddDays(1));
        Assert.Equal(alive.SiloAddress, Assert.Single((await table.ReadAllAsync()).Members).Item1.SiloAddress);
        await table.DeleteMembershipTableEntriesAsync(Cluster);
        Assert.Empty((await table.ReadAllAsync()).Members);
        Assert.Single((await other.ReadAllAsync()).Members);
    }

    [PostgresFact]
    public async Task Clients_are_told_the_gateways_of_silos_that_are_active()
    {
        string connection = await PreparedAsync();
        IMembershipTable table = await OpenTableAsync(connection);
        MembershipEntry joining = Entry(1), active = Entry(2), closed = Entry(3),
            six = Entry(4, SiloAddress.New(IPAddress.IPv6Loopback, 11111, 4));
        joining.Status = SiloStatus.Joining;
        closed.ProxyPort = 0;
        foreach (MembershipEntry entry in new[] { joining, active, closed, six })
            await table.InsertRowAsync(entry, (await table.ReadAllAsync()).Version.Next());
        var gateways = new AdoNetGatewayListProvider(NullLogger<AdoNetGatewayListProvider>.Instance, null!,
            Options.Create(new AdoNetClusteringClientOptions
            {
                Invariant = ClusterDatabase.Invariant,
                ConnectionString = connection,
            }),
            Options.Create(new GatewayOptions()), Options.Create(new ClusterOptions { ClusterId = Cluster }));
        await gateways.InitializeGatewayListProvider();
        Assert.Equal(["127.0.0.1:30000", "[::1]:30000"],
            (await gateways.GetGateways()).Select(g => $"{g.ToGatewayAddress()!.Endpoint}").Order());
    }

    [PostgresFact]
    public async Task A_silo_that_lives_keeps_its_name_and_one_that_died_makes_room()
    {
        string connection = await PreparedAsync();
        IMembershipTable table = await OpenTableAsync(connection);
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        MembershipEntry lives = Entry(1, SiloAddress.New((IPEndPoint)listener.LocalEndpoint, 1));
        await table.InsertRowAsync(lives, (await table.ReadAllAsync()).Version.Next());
        SiloNameTakenException refusal = await Assert.ThrowsAsync<SiloNameTakenException>(() => EnterAsync("silo-1"));
        Assert.Contains($"silo-1 runs already, at {listener.LocalEndpoint} on host here", refusal.Message,
            StringComparison.Ordinal);
        await EnterAsync("silo-2");
        Assert.Equal(SiloStatus.Active, Assert.Single((await table.ReadAllAsync()).Members).Item1.Status);
        listener.Stop();
        await EnterAsync("silo-1");
        Assert.Equal(SiloStatus.Dead, Assert.Single((await table.ReadAllAsync()).Members).Item1.Status);

        Task EnterAsync(string name) => new SiloEntrance(table, new(name), new IPEndPoint(IPAddress.Loopback, 1),
            TimeProvider.System).EnterAsync(CancellationToken.None);
    }

    [PostgresFact]
    public async Task Of_two_silos_of_one_name_that_enter_at_once_the_second_is_refused()
    {
        string connection = await PreparedAsync();
        IMembershipTable first = new OneNameMembershipTable(await OpenTableAsync(connection));
        var refusing = new OneNameMembershipTable(await OpenTableAsync(connection));
        IMembershipTable second = refusing;
        // Both have read the table before either writes.
        TableVersion version = (await first.ReadAllAsync()).Version;
        Assert.True(await first.InsertRowAsync(Entry(1), version.Next()));
        MembershipEntry rival = Entry(1, SiloAddress.New(IPAddress.Loopback, 22222, 2));
        Assert.False(await second.InsertRowAsync(rival, version.Next()));
        Assert.False(refusing.Refused.IsCompleted);
        TableVersion next = (await second.ReadAllAsync()).Version.Next();
        await Assert.ThrowsAsync<SiloNameTakenException>(() => second.InsertRowAsync(rival, next));
        await Assert.ThrowsAsync<SiloNameTakenException>(() => refusing.Refused);
        Assert.Single((await first.ReadAllAsync()).Members);
    }

    private static Task Check(string connection) => new ClusterDatabase(connection).CheckAsync(CancellationToken.None);

    private static async Task RefusedAsync(string reason, Func<Task> work) => Assert.Contains(reason,
        (await Assert.ThrowsAsync<ClusterDatabaseException>(work)).Message, StringComparison.Ordinal);

    private static async Task<string> WithSchemaAsync(string connection)
    {
        await PostgresFixture.ExecuteAsync(connection, "create schema own");
        return $"{connection};Search Path=own";
    }

    private async Task<string> PreparedAsync()
    {
        string connection = await server.CreateDatabaseAsync();
        await new ClusterDatabase(connection).PrepareAsync(CancellationToken.None);
        return connection;
    }

    private async Task<IMembershipTable> OpenTableAsync() => await OpenTableAsync(await PreparedAsync());

    private static async Task<IMembershipTable> OpenTableAsync(string connection, string cluster = Cluster)
    {
        var table = new AdoNetClusteringTable(null!, Options.Create(new ClusterOptions { ClusterId = cluster }),
            Options.Create(new AdoNetClusteringSiloOptions
            {
                Invariant = ClusterDatabase.Invariant,
                ConnectionString = connection,
            }),
            NullLogger<AdoNetClusteringTable>.Instance);
        await table.InitializeMembershipTableAsync(true);
        return table;
    }

    private static SiloAddress Address(int generation) => SiloAddress.New(IPAddress.Loopback, 11111, generation);

    private static MembershipEntry Entry(int generation, SiloAddress? address = null) => new()
    {
        SiloAddress = address ?? Address(generation),
        Status = SiloStatus.Active,
        SiloName = $"silo-{generation}",
        HostName = "here",
        ProxyPort = 30000,
        StartTime = new DateTime(2024, 1, 2, 3, 4, 5, DateTimeKind.Utc),
        IAmAliveTime = new DateTime(2024, 1, 2, 3, 4, 6, DateTimeKind.Utc),
    };
}
