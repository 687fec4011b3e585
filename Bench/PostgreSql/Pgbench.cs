using System.Globalization;
using Orleans.Raft.PostgreSql;

namespace Orleans.Raft.Bench;

/// <summary>How pgbench sends its statements.</summary>
internal enum PgbenchProtocol
{
    /// <summary>Parsed and planned each time; what it does unless told otherwise.</summary>
    Simple,
    Extended,

    /// <summary>Parsed and planned once.</summary>
    Prepared,
}

/// <summary>What pgbench showed.</summary>
internal sealed record PgbenchResult(double PerSecond, double MeanMilliseconds);

/// <summary>pgbench with single-row upserts, in a database of its own on a server.</summary>
internal sealed class Pgbench
{
    private const string Program = "pgbench";
    private const string Database = "upserts";
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(60);

    private readonly PostgresServer _server;
    private readonly string _script;

    private Pgbench(PostgresServer server, string script)
    {
        _server = server;
        _script = script;
    }

    /// <summary>Throws if it is not installed.</summary>
    /// <exception cref="BenchException">It is not; the message says what to install.</exception>
    public static void RequireInstalled()
    {
        if (!PostgresServer.IsAvailable(out string reason)) throw new BenchException(reason);
        if (PostgresServer.Has(Program)) return;
        throw new BenchException("pgbench was not found beside initdb and postgres. It is part of PostgreSQL: install "
            + "the package postgresql, or postgresql-contrib where that is apart.");
    }

    /// <summary>Makes the table, with a row for each key.</summary>
    public static async Task<Pgbench> PrepareAsync(PostgresServer server, LoadPlan plan)
    {
        string value = Literal(plan.CreateValue());
        await server.CreateDatabaseAsync(Database);
        await server.ExecuteInAsync(Database, "create table pair (key bigint primary key, value bytea not null)",
            $"insert into pair select key, {value} from generate_series(0, {plan.Keys - 1}) as key", "vacuum analyze");
        string script = Path.Combine(await server.MakeFolderAsync(Program), "upsert.sql");
        await File.WriteAllTextAsync(script, Script(plan));
        return new Pgbench(server, script);
    }

    /// <summary>Runs once to warm up, and once to be measured.</summary>
    /// <exception cref="BenchException">It failed.</exception>
    public async Task<PgbenchResult> RunAsync(PgbenchProtocol protocol, LoadPlan plan,
        CancellationToken cancellationToken)
    {
        if (plan.WarmUp > TimeSpan.Zero) await RunAsync(protocol, plan.Clients, plan.WarmUp, cancellationToken);
        return Parse(await RunAsync(protocol, plan.Clients, plan.Duration, cancellationToken));
    }

    /// <summary>One upsert of a key chosen evenly, as pgbench reads it.</summary>
    internal static string Script(LoadPlan plan) => string.Create(CultureInfo.InvariantCulture,
        $"""
        \set key random(0, {plan.Keys - 1})
        insert into pair values (:key, {Literal(plan.CreateValue())}) on conflict (key) do update set value = excluded.value;

        """);

    /// <summary>Reads what pgbench prints at its end.</summary>
    /// <exception cref="BenchException">It is something else.</exception>
    internal static PgbenchResult Parse(IReadOnlyList<string> lines)
    {
        // Before version 14 there are two rates; the other one counts the time to connect, too.
        double? perSecond = Number(lines.LastOrDefault(line => line.StartsWith("tps = ", StringComparison.Ordinal)
            && !line.Contains("including", StringComparison.Ordinal)));
        double? mean = Number(lines.LastOrDefault(line =>
            line.StartsWith("latency average = ", StringComparison.Ordinal)));
        if (perSecond is { } rate && mean is { } latency) return new PgbenchResult(rate, latency);
        throw new BenchException($"These are no figures of pgbench: {string.Join(Environment.NewLine, lines)}");
    }

    /// <summary>Of a line like <c>tps = 9876.5 (without initial connection time)</c>.</summary>
    private static double? Number(string? line) => line?.Split(" = ")[1].Split(' ')[0] is { } number
        && double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : null;

    private static string Literal(byte[] value) => $"'\\x{Convert.ToHexStringLower(value)}'::bytea";

    private async Task<IReadOnlyList<string>> RunAsync(PgbenchProtocol protocol, int clients, TimeSpan duration,
        CancellationToken cancellationToken)
    {
        int seconds = (int)Math.Max(1, Math.Ceiling(duration.TotalSeconds)); // It counts whole ones.
        string[] numbers = [.. new[] { clients, Math.Min(clients, Environment.ProcessorCount), seconds }
            .Select(number => number.ToString(CultureInfo.InvariantCulture))];
        ChildResult child = await ChildProcess.RunAsync(
            _server.Command(Program, "-n", "-c", numbers[0], "-j", numbers[1], "-T", numbers[2],
                "-M", protocol.ToString().ToLowerInvariant(), "-f", _script, Database),
            "", TimeSpan.FromSeconds(seconds) + s_grace, cancellationToken);
        return child.Lines;
    }
}
