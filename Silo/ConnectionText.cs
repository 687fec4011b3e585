using Npgsql;

namespace Orleans.Raft.Silo;

/// <summary>Npgsql's connection strings, as they were given.</summary>
internal static class ConnectionText
{
    /// <summary>What is wrong with it, null if nothing; told without the text, which may hold a password.</summary>
    public static string? ProblemOf(string? text)
    {
        try
        {
            return string.IsNullOrWhiteSpace(new NpgsqlConnectionStringBuilder(text).Host)
                ? "is missing or names no Host"
                : null;
        }
        catch (Exception failure) when (failure is ArgumentException or FormatException)
        {
            return $"is no connection string of Npgsql: {failure.Message}";
        }
        catch (KeyNotFoundException)
        {
            // So Npgsql takes a word that it does not know, without a value.
            return "is no connection string of Npgsql: a word before an equals sign is unknown";
        }
    }
}
