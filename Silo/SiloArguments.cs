using System.CommandLine;

namespace Orleans.Raft.Silo;

/// <summary>The command line of a silo: what <see cref="SiloSettings"/> reads and checks, and how much is
/// told.</summary>
internal sealed class SiloArguments
{
    private static readonly string[] Flags = ["NoFsync", "NoBalance", "Join", "ListenAny"];

    private readonly List<(string Key, Func<ParseResult, string?> Value)> _settings = [];
    private readonly Option<bool> _verbose = new("--verbose") { Description =
        "Elections, activations and the like on standard error." };

    public SiloArguments()
    {
        foreach ((string key, string argument, string description) in SiloSettings.All)
        {
            if (Flags.Contains(key))
            {
                var flag = new Option<bool>(argument) { Description = description };
                // Also false counts: it takes back what the environment or a file says.
                _settings.Add((key, parsed => parsed.GetResult(flag) is not { Implicit: false } ? null
                    : parsed.GetValue(flag) ? "true" : "false"));
                Root.Options.Add(flag);
                continue;
            }
            var option = new Option<string?>(argument) { Description = description };
            _settings.Add((key, parsed => parsed.GetValue(option)));
            Root.Options.Add(option);
            if (key is "Database" or "Slots") InitDatabase.Options.Add(option);
            if (key == "Slots") AcceptDatabase.Options.Add(option);
        }
        Root.Options.Add(_verbose);
        AcceptDatabase.Arguments.Add(SlotToAccept);
        Root.Subcommands.Add(InitDatabase);
        Root.Subcommands.Add(AcceptDatabase);
    }

    public RootCommand Root { get; } = new("Orleans.Raft: a silo that stores replicas. Prints 'ready NAME' once all "
        + "its groups have a leader.");

    public Command InitDatabase { get; } = new("init-database", "Creates, upgrades and checks what silos need in the "
        + "database that --clustering postgresql uses, and in those of --slots. It may be repeated at any time.");

    public Command AcceptDatabase { get; } = new("accept-database", "Takes the server that a slot's connection leads to now "
        + "for the slot's own: your word that it lacks nothing that was acknowledged, as a synchronous standby does not.");

    public Argument<string> SlotToAccept { get; } = new("slot") { Description = "The slot's name." };

    /// <summary>What was given, as configuration.</summary>
    public IEnumerable<KeyValuePair<string, string?>> Read(ParseResult parsed)
    {
        foreach ((string key, Func<ParseResult, string?> value) in _settings)
            if (value(parsed) is { } text) yield return new($"{SiloSettings.Section}:{key}", text);
        if (parsed.GetValue(_verbose)) yield return new("Logging:LogLevel:Orleans.Raft", "Information");
    }
}
