using System.CommandLine;
using System.Text;
using Microsoft.Extensions.Logging;
using Orleans.Raft.Embedded;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Shell;

const int BadStart = 2;

var data = new Option<string>("--data") { Description = "Directory of all nodes' data.", DefaultValueFactory = _ =>
    "./data" };
var nodes = new Option<int>("--nodes") { Description = "Nodes in this process.", DefaultValueFactory = _ => 3 };
var groups = new Option<int?>("--groups") { Description = "Raft groups of a new cluster (default 4)." };
var splitAt = new Option<string?>("--split-at") { Description =
    "Keys to divide the key space at, comma-separated, with the shell's escapes." };
var noFlush = new Option<bool>("--no-fsync") { Description =
    "Acknowledge writes before they are on the disk: a power failure may lose acknowledged writes." };
var noColor = new Option<bool>("--no-color") { Description = "No colours on a terminal." };
var verbose = new Option<bool>("--verbose") { Description = "Elections, snapshots and the like on standard error." };
var root = new RootCommand("Orleans.Raft, embedded: a durable cluster in one process, with a shell.") { data, nodes,
    groups, splitAt, noFlush, noColor, verbose };

root.SetAction(async (parsed, cancellation) =>
{
    if (parsed.GetValue(noColor)) Environment.SetEnvironmentVariable("NO_COLOR", "1");
    using ILoggerFactory loggers = LoggerFactory.Create(builder => builder
        .SetMinimumLevel(parsed.GetValue(verbose) ? LogLevel.Information : LogLevel.Error)
        .AddSimpleConsole(console => console.SingleLine = true)
        .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
    EmbeddedOptions options;
    EmbeddedCluster cluster;
    try
    {
        options = new EmbeddedOptions
        {
            DataDirectory = parsed.GetValue(data)!,
            Nodes = parsed.GetValue(nodes),
            Groups = parsed.GetValue(groups),
            SplitKeys = parsed.GetValue(splitAt) is { } keys ? ParseKeys(keys) : null,
            FlushToDisk = !parsed.GetValue(noFlush),
            LoggerFactory = loggers,
        };
        cluster = await EmbeddedCluster.StartAsync(options);
    }
    catch (Exception failure)
        when (failure is ArgumentException or FormationException or IOException or TimeoutException)
    {
        await Console.Error.WriteLineAsync($"ERR Start: {failure.Message}");
        return BadStart;
    }
    await using (cluster)
    {
        if (options.Nodes < FormationPlan.ReplicationFactor)
            await Console.Error.WriteLineAsync($"Warning: with {options.Nodes} node(s) each group has {options.Nodes} "
                + "replica(s): use --nodes 3 to survive the loss of one.");
        if (!options.FlushToDisk)
            await Console.Error.WriteLineAsync("Warning: --no-fsync acknowledges writes before they are on the disk; "
                + "a power failure may lose acknowledged writes.");
        return await new ShellSession(cluster.Client, cluster, cluster, new ShellOptions()).RunAsync(cancellation);
    }
});

ParseResult result = root.Parse(args);
if (result.Errors.Count == 0) return await result.InvokeAsync();
foreach (System.CommandLine.Parsing.ParseError error in result.Errors)
    await Console.Error.WriteLineAsync($"ERR BadOption: {error.Message} See --help.");
return BadStart;

static byte[][] ParseKeys(string list) => [.. list.Split(',').Select(word =>
{
    byte[] text = Encoding.UTF8.GetBytes(word);
    byte[] key = new byte[text.Length];
    return ByteText.TryUnescape(text, key, out int written, out _, out string? problem)
        ? key[..written]
        : throw new ArgumentException($"--split-at: in '{word}': {problem}");
})];
