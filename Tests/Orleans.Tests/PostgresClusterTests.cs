using Microsoft.Extensions.DependencyInjection;
using Orleans.Hosting;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Silo;
using Orleans.Runtime;
using Orleans.Storage;
using Orleans.TestingHost;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Silos that find each other by PostgreSQL, as processes, and Orleans' grain storage there.</summary>
public sealed class PostgresClusterTests(PostgresFixture server) : IClassFixture<PostgresFixture>, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("postgres-silos-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [PostgresFact]
    public async Task A_silo_says_which_command_prepares_the_database()
    {
        string database = await server.CreateDatabaseAsync();
        (int code, string output, string errors) = await ProgramProcess.RunAsync("Silo", Arguments(1, database));
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith("ERR Database: database ", errors, StringComparison.Ordinal);
        Assert.Contains("run dotnet run --project Silo -- init-database", errors, StringComparison.Ordinal);
        (code, output, errors) = await ProgramProcess.RunAsync("Silo", "init-database", "--database", database);
        Assert.Equal((0, ""), (code, errors));
        Assert.EndsWith("the schema was created (version 1).\n", output, StringComparison.Ordinal);
        using ProgramProcess silo = ProgramProcess.Start("Silo", Arguments(1, database, nodes: "silo-1"));
        Assert.Equal("ready silo-1", await silo.ReadLineAsync());
    }

    /// <summary>Of silos with addresses of both kinds, one given by its name.</summary>
    [PostgresFact]
    public async Task Silos_form_a_cluster_and_one_that_was_killed_comes_back_at_another_address()
    {
        string database = await PreparedAsync();
        using ProgramProcess first = Start(1, database, "--address", "localhost");
        using ProgramProcess second = Start(2, database, "--address", "::1", "--listen-any");
        using ProgramProcess third = Start(3, database);
        foreach (ProgramProcess silo in new[] { first, second, third })
            Assert.StartsWith("ready silo-", await silo.ReadLineAsync(), StringComparison.Ordinal);
        Assert.Equal((0, "OK\n", ""), await KvAsync(database, "put", "a", "1"));

        string[] rival = Arguments(3, database);
        rival[^1] = Path.Combine(_directory, "another");
        (int code, _, string errors) = await ProgramProcess.RunAsync("Silo", rival);
        Assert.Equal(2, code);
        Assert.StartsWith("ERR NameTaken: a silo named silo-3 runs already, at 127.0.0.1:", errors,
            StringComparison.Ordinal);

        third.Kill();
        Assert.Equal((0, "OK\n", ""), await KvAsync(database, "put", "b", "2"));
        using ProgramProcess again = Start(3, database);
        Assert.Equal("ready silo-3", await again.ReadLineAsync());
        first.Kill();
        Assert.Equal((0, "1\n", ""), await KvAsync(database, "get", "a"));
        Assert.Equal((0, "2\n", ""), await KvAsync(database, "get", "b"));
    }

    [PostgresFact]
    public async Task Grain_storage_reads_what_was_written_refuses_old_etags_and_clears()
    {
        string database = await PreparedAsync();
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo((_, silo) => silo.AddAdoNetGrainStorage("kept", options =>
        {
            options.Invariant = ClusterDatabase.Invariant;
            options.ConnectionString = database;
        }).AddAdoNetGrainStorage("deleted", options =>
        {
            options.Invariant = ClusterDatabase.Invariant;
            options.ConnectionString = database;
            options.DeleteStateOnClear = true;
        }));
        await using InProcessTestCluster cluster = builder.Build();
        await cluster.DeployAsync();
        IServiceProvider services = cluster.Silos[0].SiloHost.Services;
        foreach (string name in new[] { "kept", "deleted" })
        {
            IGrainStorage storage = services.GetRequiredKeyedService<IGrainStorage>(name);
            foreach (GrainId grain in new[] { GrainId.Create("kind", $"{name}-text"), GrainId.Create(GrainType.Create("kind"),
                GrainIdKeyExtensions.CreateIntegerKey(7, name)) }) await CheckAsync(storage, grain);
        }
        await cluster.StopAllSilosAsync();
    }

    private static async Task CheckAsync(IGrainStorage storage, GrainId grain)
    {
        const string Kind = "state";
        GrainState<Kept> mine = new(new Kept()), others = new(new Kept());
        await storage.ReadStateAsync(Kind, grain, mine);
        Assert.False(mine.RecordExists);
        mine.State = new Kept { Text = "one" };
        await storage.WriteStateAsync(Kind, grain, mine);
        // Another one that believes to be the first.
        others.State = new Kept { Text = "other" };
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync(Kind, grain, others));
        await storage.ReadStateAsync(Kind, grain, others);
        Assert.Equal(("one", true, mine.ETag), (others.State.Text, others.RecordExists, others.ETag));
        mine.State.Text = "two";
        await storage.WriteStateAsync(Kind, grain, mine);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync(Kind, grain, others));
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.ClearStateAsync(Kind, grain, others));
        await storage.ReadStateAsync(Kind, grain, others);
        Assert.Equal("two", others.State.Text);
        await storage.ClearStateAsync(Kind, grain, mine);
        await storage.ReadStateAsync(Kind, grain, others);
        Assert.Equal((null, false), (others.State.Text, others.RecordExists));
        mine.State = new Kept { Text = "three" };
        await storage.WriteStateAsync(Kind, grain, mine);
        await storage.ReadStateAsync(Kind, grain, others);
        Assert.Equal(("three", true), (others.State.Text, others.RecordExists));
    }

    private async Task<string> PreparedAsync()
    {
        string database = await server.CreateDatabaseAsync();
        await new ClusterDatabase(database).PrepareAsync(CancellationToken.None);
        return database;
    }

    private ProgramProcess Start(int number, string database, params string[] more) =>
        ProgramProcess.Start("Silo", [.. Arguments(number, database), .. more]);

    private string[] Arguments(int number, string database, string nodes = "silo-1,silo-2,silo-3") =>
    [
        "--name", $"silo-{number}", "--nodes", nodes, "--clustering", "postgresql", "--database", database,
        "--silo-port", $"{FreePort()}", "--gateway-port", $"{FreePort()}", "--data", _directory,
    ];

    private static Task<(int ExitCode, string Output, string Errors)> KvAsync(string database, params string[] command) =>
        ProgramProcess.RunAsync("Client", ["--database", database, .. command]);

    /// <summary>What a grain would keep.</summary>
    [GenerateSerializer]
    public sealed class Kept
    {
        [Id(0)]
        public string? Text { get; set; }
    }
}
