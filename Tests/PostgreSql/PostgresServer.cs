using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Orleans.Raft.PostgreSql;

/// <summary>How a server ends.</summary>
public enum PostgresStop
{
    /// <summary>Open transactions are rolled back, connections closed.</summary>
    Fast,

    /// <summary>As by a crash: it recovers when it starts again.</summary>
    Immediate,
}

/// <summary>
/// A PostgreSQL server with a directory and a port of its own. It ends, and its directory goes, when this is disposed;
/// it ends also when this process dies.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private const string Administrator = "administrator";

    // The server gets a shell as its parent that ends it as soon as nobody holds the other end of its input.
    private const string Keeper =
        "\"$0\" \"$@\" </dev/null & server=$!; cat >/dev/null; kill -QUIT $server 2>/dev/null; wait $server";

    private readonly string _folder;
    private readonly List<string> _settings;
    private readonly IReadOnlyList<string> _entrance;
    private readonly IPAddress _address;
    private Process? _keeper;

    private PostgresServer(string folder, int port, IEnumerable<string> settings, IReadOnlyList<string> entrance,
        IPAddress address)
    {
        _folder = folder;
        _entrance = entrance;
        _address = address;
        Port = port;
        _settings = [.. settings];
    }

    public int Port { get; }

    /// <summary>Whether this process can start servers, or why it cannot.</summary>
    public static bool IsAvailable(out string reason)
    {
        reason = PostgresBinaries.Folder is null
            ? "There is no PostgreSQL server here: initdb and postgres were not found. Install the package postgresql, "
                + $"or name their folder by {PostgresBinaries.FolderVariable}."
            : "";
        return reason.Length == 0;
    }

    /// <summary>Whether one of PostgreSQL's programs is there, beside the server's own.</summary>
    public static bool Has(string program) =>
        PostgresBinaries.Folder is { } folder && File.Exists(Path.Combine(folder, program));

    /// <summary>Makes a new server and starts it.</summary>
    /// <param name="settings">Lines of its configuration besides, such as <c>fsync=off</c>.</param>
    public static Task<PostgresServer> StartAsync(params string[] settings) =>
        StartAsync(Path.GetTempPath(), [], IPAddress.Loopback, settings);

    /// <summary>Makes a new server in a given place and starts it.</summary>
    /// <param name="parent">Its directory is made in there; the user as whom servers run must be able to enter
    /// it.</param>
    /// <param name="settings">Lines of its configuration besides, such as <c>fsync=off</c>.</param>
    public static Task<PostgresServer> StartInAsync(string parent, params string[] settings) =>
        StartAsync(parent, [], IPAddress.Loopback, settings);

    /// <summary>Makes a new server that runs on a host of its own, and starts it. Whoever reaches the host may use
    /// it.</summary>
    /// <param name="entrance">A command that goes there and runs what follows, such as <c>ip netns exec NAME</c>; empty:
    /// the server runs here, and only what is here may use it.</param>
    /// <param name="address">The host's, at which the server listens.</param>
    public static Task<PostgresServer> StartOnAsync(IReadOnlyList<string> entrance, IPAddress address,
        params string[] settings) => StartAsync(Path.GetTempPath(), entrance, address, settings);

    private static async Task<PostgresServer> StartAsync(string parent, IReadOnlyList<string> entrance,
        IPAddress address, string[] settings)
    {
        PostgresServer server = await MakeAsync(parent, settings, entrance, address);
        try
        {
            await PostgresBinaries.RunAsync(PostgresBinaries.Command("initdb", "-D", server.Data, "-U", Administrator,
                "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"));
            if (entrance.Count > 0)
                await File.AppendAllTextAsync(Path.Combine(server.Data, "pg_hba.conf"), "host all all all trust\n");
            await server.StartAgainAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes a standby of this server, which follows it.</summary>
    public async Task<PostgresServer> StartStandbyAsync()
    {
        PostgresServer standby = await MakeAsync(Path.GetTempPath(), [], [], IPAddress.Loopback);
        try
        {
            await RunAsync("pg_basebackup", "-D", standby.Data, "-R", "-c", "fast", "--no-sync");
            await standby.StartAgainAsync();
            return standby;
        }
        catch
        {
            await standby.DisposeAsync();
            throw;
        }
    }

    /// <summary>For Npgsql.</summary>
    public string ConnectionString(string database = "postgres", string user = Administrator) => string.Create(
        CultureInfo.InvariantCulture, $"Host={_address};Port={Port};Database={database};Username={user};Pooling=false");

    public async Task StartAgainAsync()
    {
        string[] arguments =
        [
            "-D", Data, "-p", Port.ToString(CultureInfo.InvariantCulture), "-c", $"listen_addresses={_address}",
            "-c", $"unix_socket_directories={_folder}", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
            "-c", $"log_directory={_folder}", "-c", "log_filename=server.log", "-c", "logging_collector=on",
            .. _settings.SelectMany(setting => (string[])["-c", setting]),
        ];
        ProcessStartInfo start = PostgresBinaries.Command("postgres", arguments);
        // The entrance and setpriv (if any) and the server's own command line become the shell's parameters.
        var keeper = new ProcessStartInfo("sh", ["-c", Keeper, .. _entrance, start.FileName, .. start.ArgumentList])
        {
            RedirectStandardInput = true, WorkingDirectory = "/",
        };
        _keeper = Process.Start(keeper)!;
        await WaitUntilAsync("the server takes connections", async () =>
        {
            try
            {
                await ExecuteAsync("select 1");
                return true;
            }
            catch (NpgsqlException) when (!_keeper.HasExited)
            {
                return false;
            }
        });
    }

    public async Task StopAsync(PostgresStop stop = PostgresStop.Fast)
    {
        if (_keeper is null) return;
        if (File.Exists(Path.Combine(Data, "postmaster.pid")))
        {
            await PostgresBinaries.RunAsync(PostgresBinaries.Command("pg_ctl", "stop", "-w", "-D", Data, "-m",
                stop == PostgresStop.Fast ? "fast" : "immediate"));
        }
        _keeper.StandardInput.Close();
        await _keeper.WaitForExitAsync();
        _keeper.Dispose();
        _keeper = null;
    }

    public async Task RestartAsync(PostgresStop stop = PostgresStop.Fast)
    {
        await StopAsync(stop);
        await StartAgainAsync();
    }

    /// <summary>Runs statements as administrator, each by itself.</summary>
    public async Task ExecuteAsync(params string[] statements)
    {
        await using NpgsqlConnection connection = await ConnectAsync("postgres");
        foreach (string statement in statements) await ExecuteAsync(connection, statement);
    }

    /// <summary>Runs statements as administrator in a database.</summary>
    public async Task ExecuteInAsync(string database, params string[] statements)
    {
        await using NpgsqlConnection connection = await ConnectAsync(database);
        foreach (string statement in statements) await ExecuteAsync(connection, statement);
    }

    /// <summary>The single value of a query, as text; empty if there is none.</summary>
    public async Task<string> QueryAsync(string database, string query)
    {
        await using NpgsqlConnection connection = await ConnectAsync(database);
        await using NpgsqlCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // It is a test's own.
        command.CommandText = query;
#pragma warning restore CA2100
        return Convert.ToString(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture) ?? "";
    }

    /// <summary>Makes a database that belongs to an ordinary role of the same name, and returns how that one
    /// connects.</summary>
    public async Task<string> CreateDatabaseAsync(string name, string? tablespace = null)
    {
        await ExecuteAsync($"create role {name} login",
            $"create database {name} owner {name}" + (tablespace is null ? "" : $" tablespace {tablespace}"));
        return ConnectionString(name, name);
    }

    /// <summary>Changes a setting of the whole server and waits until new connections have it.</summary>
    public async Task SetAsync(string setting, string value)
    {
        await ExecuteAsync($"alter system set {setting} = '{value}'", "select pg_reload_conf()");
        await WaitUntilAsync($"{setting} is {value}",
            async () => await QueryAsync("postgres", $"show {setting}") == value);
    }

    /// <summary>Ends connections whose row of <c>pg_stat_activity</c> meets a condition; returns how many.</summary>
    public async Task<int> EndBackendsAsync(string condition) => int.Parse(
        await QueryAsync("postgres", "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            + $"where pid <> pg_backend_pid() and {condition}"), CultureInfo.InvariantCulture);

    /// <summary>Runs one of PostgreSQL's programs against this server.</summary>
    public Task<string> RunAsync(string program, params string[] arguments) =>
        PostgresBinaries.RunAsync(Command(program, arguments));

    /// <summary>One of PostgreSQL's programs, to be run against this server as administrator.</summary>
    public ProcessStartInfo Command(string program, params string[] arguments) => PostgresBinaries.Command(program,
        ["-h", $"{_address}", "-p", Port.ToString(CultureInfo.InvariantCulture), "-U", Administrator, .. arguments]);

    /// <summary>Makes a standby the primary.</summary>
    public async Task PromoteAsync()
    {
        await ExecuteAsync("select pg_promote(true, 60)");
        await WaitUntilAsync("the standby is promoted",
            async () => await QueryAsync("postgres", "select pg_is_in_recovery()") == "False");
    }

    /// <summary>Makes a folder that belongs to the server's user.</summary>
    public async Task<string> MakeFolderAsync(string name)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        await PostgresBinaries.OwnAsync(folder);
        return folder;
    }

    /// <summary>Waits for a condition; throws after a minute.</summary>
    public static async Task WaitUntilAsync(string what, Func<Task<bool>> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(60))
                throw new TimeoutException($"Waited for a minute until {what}.");
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync(PostgresStop.Immediate);
        }
        finally
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private string Data => Path.Combine(_folder, "data");

    private static async Task<PostgresServer> MakeAsync(string parent, IEnumerable<string> settings,
        IReadOnlyList<string> entrance, IPAddress address)
    {
        if (!IsAvailable(out string reason)) throw new InvalidOperationException(reason);
        string folder = Directory.CreateDirectory(
            Path.Combine(Path.GetFullPath(parent), $"orleans-raft-pg-{Path.GetRandomFileName()}")).FullName;
        await PostgresBinaries.OwnAsync(folder);
        return new PostgresServer(folder, FreePort(), settings, entrance, address);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string statement)
    {
        await using NpgsqlCommand command = connection.CreateCommand();
#pragma warning disable CA2100 // It is a test's own.
        command.CommandText = statement;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

    private async Task<NpgsqlConnection> ConnectAsync(string database)
    {
        // What is elsewhere is reached by the socket in its folder.
        string administrator = ConnectionString(database);
        if (_entrance.Count > 0)
            administrator = new NpgsqlConnectionStringBuilder(administrator) { Host = _folder }.ConnectionString;
        var connection = new NpgsqlConnection(administrator);
        try
        {
            await connection.OpenAsync();
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
