using Orleans.Raft.PostgreSql;

namespace Orleans.Raft.Hosts.Tests;

/// <summary>A test that lays out hosts; skipped where that is not possible, with the reason.</summary>
[AttributeUsage(AttributeTargets.Method)]
public class HostsFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> s_obstacle = new(HostNetwork.FindObstacle);

    public HostsFactAttribute()
    {
        if (s_obstacle.Value is { } obstacle) Skip = $"Hosts cannot be laid out on this machine: {obstacle}";
    }
}

/// <summary>A test that needs a PostgreSQL server on one of the hosts besides.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PostgresHostsFactAttribute : HostsFactAttribute
{
    public PostgresHostsFactAttribute()
    {
        if (Skip is null && !PostgresServer.IsAvailable(out string reason)) Skip = reason;
    }
}
