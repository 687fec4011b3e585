using System.Globalization;
using Npgsql;
using Orleans.Raft.Core;
using Orleans.Raft.PostgreSql;
using Orleans.Raft.Storage;
using Orleans.Raft.Storage.PostgreSql;

namespace Orleans.Raft.Bench;

/// <summary>A run under load, and how often its databases were written to meanwhile.</summary>
/// <param name="FlushesPerSecond">Transactions that each database committed, in the mean of all.</param>
internal sealed record PostgresMeasurement(Measurement Load, double FlushesPerSecond);

/// <summary>A cluster in this process whose nodes keep their replicas in a PostgreSQL server each; cluster and servers
/// are gone afterwards.</summary>
internal sealed class PostgresLoad : IAsyncDisposable
{
    private const string Database = "replicas";

    private readonly List<PostgresServer> _servers;
    private readonly NodeName[] _nodes;
    private EmbeddedLoad? _cluster;
    private Pgbench? _pgbench;

    private PostgresLoad(List<PostgresServer> servers)
    {
        _servers = servers;
        _nodes = [.. new Embedded.EmbeddedOptions().NodeNames];
    }

    private EmbeddedLoad Cluster => _cluster ?? throw new InvalidOperationException("The cluster is not started.");

    /// <summary>Starts servers and cluster, and writes every key once to the cluster and to pgbench's table.</summary>
    /// <exception cref="BenchException">PostgreSQL is not installed, or a server does not start.</exception>
    public static async Task<PostgresLoad> StartAsync(string parentDirectory, int groups, LoadPlan plan,
        CancellationToken cancellationToken)
    {
        Pgbench.RequireInstalled();
        var load = new PostgresLoad([]);
        try
        {
            await load.StartServersAsync(parentDirectory, plan.Clients);
            load._cluster = await EmbeddedLoad.StartAsync(parentDirectory, cancellationToken, groups, load.OpenAsync);
            await load._cluster.FillAsync(plan, cancellationToken);
            load._pgbench = await Pgbench.PrepareAsync(load._servers[0], plan);
            return load;
        }
        catch
        {
            await load.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a plan against the cluster, its warm-up first.</summary>
    public async Task<PostgresMeasurement> RunAsync(LoadKind kind, LoadPlan plan, CancellationToken cancellationToken)
    {
        if (plan.WarmUp > TimeSpan.Zero)
        {
            await Cluster.RunAsync(kind, plan with { Duration = plan.WarmUp, WarmUp = TimeSpan.Zero },
                cancellationToken);
        }
        long before = await CountFlushesAsync();
        Measurement load = await Cluster.RunAsync(kind, plan with { WarmUp = TimeSpan.Zero }, cancellationToken);
        long flushes = await CountFlushesAsync() - before;
        return new PostgresMeasurement(load, flushes / plan.Duration.TotalSeconds / _nodes.Length);
    }

    /// <summary>Runs pgbench on one of the servers; the cluster does nothing meanwhile.</summary>
    public Task<PgbenchResult> RunPgbenchAsync(PgbenchProtocol protocol, LoadPlan plan,
        CancellationToken cancellationToken) =>
        (_pgbench ?? throw new InvalidOperationException("pgbench is not prepared."))
            .RunAsync(protocol, plan, cancellationToken);

    public ValueTask DisposeAsync() => Disposal.AllAsync([_cluster, .. _servers]);

    private async Task StartServersAsync(string parentDirectory, int clients)
    {
        string[] settings = [$"max_connections={clients + 50}", "shared_buffers=128MB", "log_min_messages=fatal"];
        Directory.CreateDirectory(parentDirectory);
        try
        {
            foreach (NodeName node in _nodes)
            {
                PostgresServer server = await PostgresServer.StartInAsync(parentDirectory, settings);
                _servers.Add(server);
                await server.CreateDatabaseAsync(Database);
                await new SlotSchema(OptionsOf(node)).PrepareAsync(Guid.NewGuid);
            }
        }
        catch (Exception failure) when (failure is InvalidOperationException or NpgsqlException)
        {
            throw new BenchException($"PostgreSQL does not start in {Path.GetFullPath(parentDirectory)}: "
                + $"{failure.Message.TrimEnd()} Run as root it becomes the user postgres, who must be able to enter "
                + "that directory; --data names another.");
        }
    }

    private async Task<INodeStorage> OpenAsync(NodeName node, StorageContext context) =>
        await DatabaseStorage.OpenAsync(new PostgresSlotDatabase(OptionsOf(node)), new DatabaseStorageOptions
        {
            Scheduler = context.Scheduler, Time = context.Time, Logger = context.Logger,
        });

    private PostgresOptions OptionsOf(NodeName node) => new()
    {
        ConnectionString = _servers[Array.IndexOf(_nodes, node)].ConnectionString(Database, Database), Slot = node.Value,
    };

    private async Task<long> CountFlushesAsync()
    {
        long flushes = 0;
        foreach ((PostgresServer server, NodeName node) in _servers.Zip(_nodes))
        {
            flushes += long.Parse(
                await server.QueryAsync(Database, $"select last_flush from \"{node}\".opening"),
                CultureInfo.InvariantCulture);
        }
        return flushes;
    }
}
