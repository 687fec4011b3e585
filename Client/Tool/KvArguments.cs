using System.CommandLine;
using System.Globalization;
using System.Net;

namespace Orleans.Raft.Client;

/// <summary>What the <c>kv</c> tool was asked for.</summary>
/// <param name="Command">A command of the shell and its arguments; empty for the shell itself.</param>
internal sealed record KvRequest(IReadOnlyList<IPEndPoint> Gateways, string ClusterId, bool NoColor, bool Verbose,
    IReadOnlyList<string> Command);

/// <summary>The command line of the <c>kv</c> tool.</summary>
internal sealed class KvArguments
{
    public const string DefaultGateways = "127.0.0.1:30000,127.0.0.1:30001,127.0.0.1:30002";

    private readonly Option<string> _gateways = new("--gateways") { Description =
        "Silos' gateways, comma-separated.", DefaultValueFactory = _ => DefaultGateways };
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
            _gateways, _clusterId, _noColor, _verbose, _command,
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
            at += arguments[at] is "--gateways" or "--cluster-id" ? 2 : 1;
        }
        return at >= arguments.Length ? arguments : [.. arguments[..at], "--", .. arguments[at..]];
    }

    /// <exception cref="ArgumentException">A gateway is no address and port, or the cluster has no name.</exception>
    public KvRequest Read(ParseResult parsed)
    {
        string clusterId = parsed.GetValue(_clusterId)!;
        if (string.IsNullOrWhiteSpace(clusterId))
            throw new ArgumentException($"--cluster-id is '{clusterId}'; give the cluster's name.");
        return new KvRequest(ParseGateways(parsed.GetValue(_gateways)!), clusterId, parsed.GetValue(_noColor),
            parsed.GetValue(_verbose), parsed.GetValue(_command) ?? []);
    }

    /// <exception cref="ArgumentException">One is no address and port.</exception>
    internal static IPEndPoint[] ParseGateways(string list) =>
        [.. list.Split(',', StringSplitOptions.TrimEntries).Select(ParseGateway)];

    private static IPEndPoint ParseGateway(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon > 0
            && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port)
            && port is > 0 and <= IPEndPoint.MaxPort)
        {
            string address = text[..colon];
            if (address == "localhost") return new IPEndPoint(IPAddress.Loopback, port);
            if (IPAddress.TryParse(address, out IPAddress? ip)) return new IPEndPoint(ip, port);
        }
        throw new ArgumentException($"--gateways: '{text}' is no gateway; write IP addresses and ports, such as "
            + $"{DefaultGateways}.");
    }
}
