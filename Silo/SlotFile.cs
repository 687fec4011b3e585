using System.Text.Json;
using Orleans.Raft.Core;

namespace Orleans.Raft.Silo;

/// <summary>A slot: a node of the store whose replicas lie in a schema of its name in a database.</summary>
/// <param name="Connection">Npgsql's connection string.</param>
/// <param name="Zone">Slots of one database should have one zone, and those of another a different one: a group spreads
/// over zones.</param>
internal sealed record Slot(NodeName Name, string Connection, string Zone);

/// <summary>
/// The file that names the slots: <c>{"slot-1": {"connection": "Host=...", "zone": "a"}, ...}</c>. It holds passwords, so it
/// is a file, which others need not be able to read, and not an option.
/// </summary>
internal static class SlotFile
{
    private static readonly JsonSerializerOptions s_format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
    };

    /// <summary>Reads the file; null, and in <paramref name="problem"/> what is wrong, if it is none. No message repeats
    /// what the file says of connections.</summary>
    public static IReadOnlyList<Slot>? Read(string path, out string problem)
    {
        problem = path.Length == 0 ? "it is no path: it is empty"
            : path.Contains('\0', StringComparison.Ordinal) ? "it is no path: it holds a NUL character"
            : "";
        if (problem.Length > 0) return null;
        try
        {
            Dictionary<string, Row?> rows =
                JsonSerializer.Deserialize<Dictionary<string, Row?>>(File.ReadAllBytes(path), s_format) ?? [];
            if (rows.Count == 0) problem = $"{path} names no slot";
            foreach ((string name, Row? row) in rows)
            {
                if (string.IsNullOrWhiteSpace(name) || string.IsNullOrWhiteSpace(row?.Connection))
                    problem = $"{path}: slot '{name}' has no connection";
                else if (ConnectionText.ProblemOf(row.Connection) is { } wrong)
                    problem = $"{path}: the connection of slot '{name}' {wrong}";
            }
            return problem.Length > 0
                ? null
                : [.. rows.Select(row => new Slot(new NodeName(row.Key), row.Value!.Connection!, row.Value.Zone ?? ""))
                    .OrderBy(slot => slot.Name)];
        }
        catch (JsonException failure)
        {
            problem = $"{path} is not of the form {{\"slot-1\": {{\"connection\": \"...\", \"zone\": \"...\"}}, ...}} "
                + $"(line {failure.LineNumber + 1})";
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            problem = $"{path} cannot be read: {failure.Message}";
        }
        return null;
    }

    private sealed record Row(string? Connection, string? Zone);
}
