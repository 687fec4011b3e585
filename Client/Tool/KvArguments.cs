using System.CommandLine;
using Npgsql;

namespace Orleans.Raft.Client;

/// <summary>What the <c>kv</c> tool was asked for.</summary>
/// <param name="Database">Where the gateways are told; null: they are <paramref name="Gateways"/>.</param>
/// <param name="Command">A command of the shell and its arguments; empty for the shell itself.</param>
internal sealed record KvRequest(IReadOnlyList<GatewayHost> Gateways, string? Database, string ClusterId,
    bool NoColor, bool Verbose, IReadOnlyList<string> Command);

/// <summary>The command line of the <c>kv</c> tool.</summary>
internal sealed class KvArguments
{
    /// <summary>The same as the silos'.</summary>
    public const string DatabaseVariable = "OrleansRaft__Database";

    public const string DefaultGateways = "127.0.0.1:30000,127.0.0.1:30001,127.0.0.1:30002";

    private readonly Option<string> _gateways = new("--gateways") { Description =
        "Silos' gateways, hosts and ports, comma-separated.", DefaultValueFactory = _ => DefaultGateways };
    private readonly Option<string> _database = new("--database") { Description =
        "Instead of --gateways: Npgsql's connection string of the database that the silos find each other through. "
            + "Others of this machine see command lines: a password is better given by the environment, "
            + $"{DatabaseVariable}, which counts when neither option is given." };
    private readonly Option<string> _clusterId = new("--cluster-id") { Description = "Name of the Orleans cluster.",
        DefaultValueFactory = _ => "orleans-raft" };
    private readonly Option<bool> _noColor = new("--no-color") { Description = "No colours on a terminal." };
    private readonly Option<bool> _verbose = new("--verbose") { Description =
        "What Orleans' client does, on standard error." };
    private readonly Argument<string[]> _command = new("command") { Description =
        "A command of the shell and its arguments, such as: put a 1. Without one, the shell.",
        Arity = ArgumentArity.ZeroOrMore };

    public KvArguments()
    {
        // An option that is not known ends up here.
        _command.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: ['-', ..] unknown }, ..]) result.AddError($"There is no option {unknown}.");
        });
        Root = new RootCommand("kv: the shell of Orleans.Raft over a cluster of silos. Options come before the "
            + "command.")
        {
            _gateways, _database, _clusterId, _noColor, _verbose, _command,
        };
    }

    public RootCommand Root { get; }

    /// <summary>Puts <c>--</c> before the command, so that an option after it (<c>bench --clients 8</c>) is the
    /// command's.</summary>
    public static string[] Split(string[] arguments)
    {
        int at = 0;
        while (at < arguments.Length && arguments[at].StartsWith('-'))
        {
            if (arguments[at] == "--") return arguments;
            at += arguments[at] is "--gateways" or "--database" or "--cluster-id" ? 2 : 1;
        }
        return at >= arguments.Length ? arguments : [.. arguments[..at], "--", .. arguments[at..]];
    }

    /// <exception cref="ArgumentException">What was given makes no sense; the message says how.</exception>
    public KvRequest Read(ParseResult parsed)
    {
        string clusterId = parsed.GetValue(_clusterId)!;
        if (string.IsNullOrWhiteSpace(clusterId))
            throw new ArgumentException($"--cluster-id is '{clusterId}'; give the cluster's name.");
        bool areGatewaysGiven = parsed.GetResult(_gateways) is { Implicit: false };
        string? database = parsed.GetValue(_database);
        if (database is not null && areGatewaysGiven)
            throw new ArgumentException("--gateways and --database are two ways to find the silos; give one of them.");
        if (!areGatewaysGiven) database ??= Environment.GetEnvironmentVariable(DatabaseVariable);
        return new KvRequest(ParseGateways(parsed.GetValue(_gateways)!), CheckDatabase(database), clusterId,
            parsed.GetValue(_noColor), parsed.GetValue(_verbose), parsed.GetValue(_command) ?? []);
    }

    /// <exception cref="ArgumentException">One is no host and port.</exception>
    internal static GatewayHost[] ParseGateways(string list)
    {
        try
        {
            return GatewayHost.ParseList(list);
        }
        catch (ArgumentException failure)
        {
            throw new ArgumentException($"--gateways: {failure.Message}", failure);
        }
    }

    /// <summary>What is wrong is told without the text: it may hold a password.</summary>
    private static string? CheckDatabase(string? database)
    {
        if (database is null) return null;
        try
        {
            if (!string.IsNullOrWhiteSpace(new NpgsqlConnectionStringBuilder(database).Host)) return database;
        }
        catch (Exception failure) when (failure is ArgumentException or FormatException)
        {
            throw new ArgumentException($"--database is no connection string of Npgsql: {failure.Message}", failure);
        }
        catch (KeyNotFoundException failure)
        {
            // So Npgsql takes a word that it does not know, without a value.
            throw new ArgumentException("--database is no connection string of Npgsql: a word before an equals sign is "
                + "unknown", failure);
        }
        throw new ArgumentException("--database names no Host; write Npgsql's connection string, such as "
            + "'Host=db;Username=raft;Database=raft'.");
    }
}
