using System.CommandLine;
using System.Text;
using Microsoft.Extensions.Logging;
using Orleans.Raft.CommandLine;
using Orleans.Raft.KeyValue;
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
    private readonly Option<int> _replicas = StrictCommandLine.Number("--replicas", 3, 1,
        FormationPlan.MaxReplicationFactor, "Replicas of each group; of 2n + 1 any n may fail.");
    private readonly Option<int> _splitSize = StrictCommandLine.Number("--split-size", 64, 1, 1 << 20,
        "Size in MiB of keys and values above which a group is split.");
    private readonly Option<int> _mergeSize = StrictCommandLine.Number("--merge-size", 0, 0, 1 << 19,
        "Size in MiB below which two neighbours together are merged, at most half of --split-size; 0: never.");
    private readonly Option<int> _goneAfter = StrictCommandLine.Number("--gone-after", 600, 5, 1 << 30,
        "Seconds after which the replicas of a node that does not answer are replaced.");
    private readonly Option<int> _moves = StrictCommandLine.Number("--moves", 4, 1, 1000,
        "Replicas on the move at a time.");
    private readonly Option<bool> _noBalance = new("--no-balance") { Description =
        "A new cluster does not even out replicas and leaders until balance on." };
    private readonly Option<bool> _noFlush = new("--no-fsync") { Description =
        "Acknowledge writes before they are on the disk: a power failure may lose acknowledged writes." };

    public EmbeddedArguments() => Root =
        new RootCommand("Orleans.Raft, embedded: a durable cluster in one process, with a shell.")
    {
        _data, _nodes, _groups, _splitAt, _zones, _replicas, _splitSize, _mergeSize, _goneAfter, _moves, _noBalance,
        _noFlush, NoColor, Verbose,
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
        Controller = new ControllerOptions
        {
            IsBalanceOn = !parsed.GetValue(_noBalance),
            Placement = new PlacementOptions
            {
                ReplicaCount = parsed.GetValue(_replicas),
                SplitBytes = (long)parsed.GetValue(_splitSize) << 20,
                MergeBytes = (long)parsed.GetValue(_mergeSize) << 20,
                GoneAfter = TimeSpan.FromSeconds(parsed.GetValue(_goneAfter)),
                MaxMoves = parsed.GetValue(_moves),
            },
        },
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
