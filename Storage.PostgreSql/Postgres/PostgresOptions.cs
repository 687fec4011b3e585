namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>How a <see cref="PostgresSlotDatabase"/> uses its connections.</summary>
public sealed record PostgresOptions
{
    /// <summary>The user, password, host, port and database of the slot, in Npgsql's form. Pooling is not
    /// used.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>The slot's name, which is its node's; lower-cased, its schema's.</summary>
    public required string Slot { get; init; }

    /// <summary>How long a new connection may take. Default 5 s; whole seconds.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long the server may take over one flush, confirmation or chunk before the connection is given up
    /// and
    /// made anew. Default 10 s; whole seconds.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the server may take to hand out all that a slot holds. Default 10 min; whole
    /// seconds.</summary>
    public TimeSpan OpenTimeout { get; init; } = TimeSpan.FromMinutes(10);
}
