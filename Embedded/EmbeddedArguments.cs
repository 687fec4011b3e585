using System.CommandLine;
using System.Text;
using Microsoft.Extensions.Logging;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Embedded;

/// <summary>The command line of the embedded host.</summary>
internal sealed class EmbeddedArguments
{
    private readonly Option<string> _data = new("--data") { Description = "Directory of all nodes' data.",
        DefaultValueFactory = _ => "./data" };
    private readonly Option<int> _nodes = new("--nodes") { Description = "Nodes in this process.",
        DefaultValueFactory = _ => 3 };
    private readonly Option<int?> _groups = new("--groups") { Description =
        "Raft groups of a new cluster (default 4)." };
    private readonly Option<string?> _splitAt = new("--split-at") { Description =
        "Keys to divide the key space at, comma-separated, with the shell's escapes." };
    private readonly Option<string?> _zones = new("--zones") { Description =
        "Where each node stands, such as a rack, comma-separated, in the order of the nodes; then of nodes that join." };
    private readonly Option<bool> _noFlush = new("--no-fsync") { Description =
        "Acknowledge writes before they are on the disk: a power failure may lose acknowledged writes." };

    public EmbeddedArguments() => Root =
        new RootCommand("Orleans.Raft, embedded: a durable cluster in one process, with a shell.")
    {
        _data, _nodes, _groups, _splitAt, _zones, _noFlush, NoColor, Verbose,
    };

    public RootCommand Root { get; }

    public Option<bool> NoColor { get; } = new("--no-color") { Description = "No colours on a terminal." };

    public Option<bool> Verbose { get; } = new("--verbose") { Description =
        "Elections, snapshots and the like on standard error." };

    /// <summary>What was asked for, not validated yet.</summary>
    /// <exception cref="ArgumentException">A split key has a bad escape.</exception>
    public EmbeddedOptions Read(ParseResult parsed, ILoggerFactory loggers) => new()
    {
        DataDirectory = parsed.GetValue(_data)!,
        Nodes = parsed.GetValue(_nodes),
        Groups = parsed.GetValue(_groups),
        SplitKeys = parsed.GetValue(_splitAt) is { } keys ? ParseKeys(keys) : null,
        Zones = parsed.GetValue(_zones)?.Split(','),
        FlushToDisk = !parsed.GetValue(_noFlush),
        LoggerFactory = loggers,
    };

    private static byte[][] ParseKeys(string list) => [.. list.Split(',').Select(word =>
    {
        byte[] text = Encoding.UTF8.GetBytes(word);
        byte[] key = new byte[text.Length];
        return ByteText.TryUnescape(text, key, out int written, out _, out string? problem)
            ? key[..written]
            : throw new ArgumentException($"--split-at: in '{word}': {problem}");
    })];
}
