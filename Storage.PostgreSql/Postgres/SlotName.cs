using System.Text.RegularExpressions;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>A slot's name: its node's, and lower-cased that of its schema.</summary>
internal static partial class SlotName
{
    /// <summary>The name of the slot's schema, not quoted.</summary>
    /// <exception cref="ArgumentException">The name is none of a slot.</exception>
    public static string Parse(string slot)
    {
        ArgumentNullException.ThrowIfNull(slot);
        string schema = slot.ToLowerInvariant();
        if (!Valid().IsMatch(schema) || schema.StartsWith("pg_", StringComparison.Ordinal))
        {
            throw new ArgumentException($"'{slot}' cannot name a slot: it must begin with a letter, have letters, "
                + "digits, '-' and '_' only, at most 40 of them, and not begin with 'pg_'.", nameof(slot));
        }
        return schema;
    }

    [GeneratedRegex("^[a-z][a-z0-9_-]{0,39}$")]
    private static partial Regex Valid();
}
