using System.CommandLine;

namespace Orleans.Raft.Silo;

/// <summary>The command line of a silo: what <see cref="SiloSettings"/> reads and checks, and how much is
/// told.</summary>
internal sealed class SiloArguments
{
    private readonly List<(string Key, Func<ParseResult, string?> Value)> _settings = [];
    private readonly Option<bool> _verbose = new("--verbose") { Description =
        "Elections, activations and the like on standard error." };

    public SiloArguments()
    {
        foreach ((string key, string argument, string description) in SiloSettings.All)
        {
            if (key is "NoFsync" or "NoBalance" or "Join")
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
        }
        Root.Options.Add(_verbose);
    }

    public RootCommand Root { get; } = new("Orleans.Raft: a silo that stores replicas. Prints 'ready NAME' once all "
        + "its groups have a leader.");

    /// <summary>What was given, as configuration.</summary>
    public IEnumerable<KeyValuePair<string, string?>> Read(ParseResult parsed)
    {
        foreach ((string key, Func<ParseResult, string?> value) in _settings)
            if (value(parsed) is { } text) yield return new($"{SiloSettings.Section}:{key}", text);
        if (parsed.GetValue(_verbose)) yield return new("Logging:LogLevel:Orleans.Raft", "Information");
    }
}
