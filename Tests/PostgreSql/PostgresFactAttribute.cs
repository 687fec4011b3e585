using Xunit;

namespace Orleans.Raft.PostgreSql;

/// <summary>A test that needs a server; skipped, with the reason, where there can be none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public class PostgresFactAttribute : FactAttribute
{
    public PostgresFactAttribute()
    {
        if (!PostgresServer.IsAvailable(out string reason)) Skip = reason;
    }
}

/// <summary>The same with data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PostgresTheoryAttribute : TheoryAttribute
{
    public PostgresTheoryAttribute()
    {
        if (!PostgresServer.IsAvailable(out string reason)) Skip = reason;
    }
}
