using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A PostgreSQL of the tests' own, in a directory and on a port that nobody else has; it ends with the tests,
/// however those end.</summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly string _directory = Directory.CreateTempSubdirectory("postgres-").FullName;
    private Process? _server;
    private int _databases;

    /// <summary>Why no server can be started here; null if one can.</summary>
    public static string? Obstacle { get; } = FindPrograms() is null ? "no PostgreSQL server is installed" : null;

    public int Port { get; } = FreePort();

    public async Task InitializeAsync()
    {
        if (Obstacle is not null) return;
        // The server refuses to be root, and dies with its shell's input, hence with this process.
        string asUser = Environment.UserName == "root"
            ? "setpriv --reuid=postgres --regid=postgres --init-groups --no-new-privs" : "";
        string script = $"""
            chmod 711 '{_directory}'; mkdir '{_directory}/data'
            {(asUser.Length > 0 ? $"chown postgres '{_directory}' '{_directory}/data'" : "")}
            {asUser} '{FindPrograms()}/initdb' -D '{_directory}/data' -A trust -U postgres -N >/dev/null || exit 1
            {asUser} '{FindPrograms()}/postgres' -D '{_directory}/data' -p {Port} -k '{_directory}' -h 127.0.0.1 \
                -c max_connections=300 2>'{_directory}/log' </dev/null &
            server=$!
            read line
            kill -QUIT $server
            wait $server
            """;
        _server = Process.Start(new ProcessStartInfo("sh", ["-c", script]) { RedirectStandardInput = true })
            ?? throw new InvalidOperationException("sh cannot be started.");
        long start = Stopwatch.GetTimestamp();
        while (!await AnswersAsync())
        {
            Assert.True(!_server.HasExited && Stopwatch.GetElapsedTime(start) < Deadline,
                $"PostgreSQL does not start; see {_directory}/log");
            await Task.Delay(TimeSpan.FromMilliseconds(50));
        }
    }

    public async Task DisposeAsync()
    {
        if (_server is not { } server) return;
        server.StandardInput.Close();
        await server.WaitForExitAsync().WaitAsync(Deadline);
        server.Dispose();
        NpgsqlConnection.ClearAllPools();
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>Makes an empty database.</summary>
    /// <returns>Its connection string.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        string name = $"test{Interlocked.Increment(ref _databases)}";
        await ExecuteAsync(ConnectionString("postgres"), $"create database {name}");
        return ConnectionString(name);
    }

    public static async Task ExecuteAsync(string connectionString, string text)
    {
        await using NpgsqlConnection connection = new(connectionString);
        await connection.OpenAsync();
        // The tests' own texts.
#pragma warning disable CA2100
        await using var command = new NpgsqlCommand(text, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

    private string ConnectionString(string database) =>
        $"Host=127.0.0.1;Port={Port};Username=postgres;Database={database};Password=not-to-be-told";

    private async Task<bool> AnswersAsync()
    {
        try
        {
            await ExecuteAsync(ConnectionString("postgres"), "select 1");
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private static string? FindPrograms()
    {
        const string Root = "/usr/lib/postgresql";
        string[] versions = Directory.Exists(Root) ? Directory.GetDirectories(Root) : [];
        return versions.Select(v => Path.Combine(v, "bin"))
            .Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            .FirstOrDefault(d => File.Exists(Path.Combine(d, "initdb")) && File.Exists(Path.Combine(d, "postgres")));
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary>A fact that needs a PostgreSQL server; skipped, with the reason, where none is installed.</summary>
public sealed class PostgresFactAttribute : FactAttribute
{
    public PostgresFactAttribute() => Skip = PostgresServer.Obstacle;
}
