using System.Text.Json;
using System.Text.RegularExpressions;

namespace Orleans.Raft.PostgreSql;

/// <summary>
/// What silos that share slots need of a server: a database through which they find each other and which keeps the table
/// of slots, one more for each slot, and the file that names those. All are empty: <c>init-database</c> makes the tables.
/// </summary>
public sealed partial class SlotLayout
{
    private readonly PostgresServer _server;
    private readonly string _name;

    private SlotLayout(PostgresServer server, string name, string database, string file)
    {
        _server = server;
        _name = name;
        Database = database;
        File = file;
    }

    /// <summary>How silos connect to the database through which they find each other.</summary>
    public string Database { get; }

    /// <summary>Names the slots: <c>slot-1</c> and so on.</summary>
    public string File { get; }

    /// <summary>What the silos' program is told.</summary>
    public string[] Arguments => ["--clustering", "postgresql", "--database", Database, "--slots", File];

    /// <param name="name">Of the first database; those of slots begin with it.</param>
    /// <param name="file">Is written.</param>
    public static async Task<SlotLayout> MakeAsync(PostgresServer server, string name, string file, int slots)
    {
        string database = await server.CreateDatabaseAsync(name);
        var rows = new Dictionary<string, object>();
        for (int i = 1; i <= slots; i++)
        {
            rows[$"slot-{i}"] = new
            {
                connection = await server.CreateDatabaseAsync($"{name}_slot_{i}"),
                zone = $"database-{i}",
            };
        }
        await System.IO.File.WriteAllTextAsync(file, JsonSerializer.Serialize(rows));
        return new SlotLayout(server, name, database, file);
    }

    /// <summary>Which silo each slot is on, as the silos' table has it; none before there is one.</summary>
    public async Task<IReadOnlyDictionary<string, string>> HoldersAsync()
    {
        string table = await _server.QueryAsync(_name,
            "select convert_from(payload, 'UTF8') from orleans_raft_grain_state");
        return Held().Matches(table).ToDictionary(row => row.Groups["slot"].Value, row => row.Groups["silo"].Value);
    }

    [GeneratedRegex("\"Slot\":\"(?<slot>[^\"]+)\"[^{}]*\"Holder\":{[^{}]*\"Silo\":\"(?<silo>[^\"]+)\"")]
    private static partial Regex Held();
}
