using Npgsql;
using Orleans.Raft.PostgreSql;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A PostgreSQL server for the tests of a class; none where there can be none, and its tests are
/// skipped.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private PostgresServer? _server;
    private int _databases;

    public int Port => Server.Port;

    private PostgresServer Server => _server ?? throw new InvalidOperationException("There is no server here.");

    public async Task InitializeAsync()
    {
        if (PostgresServer.IsAvailable(out _)) _server = await PostgresServer.StartAsync();
    }

    public async Task DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (_server is { } server) await server.DisposeAsync();
    }

    /// <summary>Makes an empty database.</summary>
    /// <returns>Its connection string, with a password that nobody asks for and nobody may tell.</returns>
    public async Task<string> CreateDatabaseAsync() =>
        await Server.CreateDatabaseAsync($"test{Interlocked.Increment(ref _databases)}") + ";Password=not-to-be-told";

    /// <summary>Makes what silos that share three slots need.</summary>
    /// <param name="file">Will name the slots.</param>
    public Task<SlotLayout> CreateSlotsAsync(string file) =>
        SlotLayout.MakeAsync(Server, $"test{Interlocked.Increment(ref _databases)}", file, slots: 3);

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
}
