using Microsoft.Extensions.Logging;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Embedded;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Shell;

const int BadStart = 2;

var arguments = new EmbeddedArguments();
arguments.Root.SetAction(async (parsed, cancellation) =>
{
    if (parsed.GetValue(arguments.NoColor)) Environment.SetEnvironmentVariable("NO_COLOR", "1");
    using ILoggerFactory loggers = LoggerFactory.Create(builder => builder
        .SetMinimumLevel(parsed.GetValue(arguments.Verbose) ? LogLevel.Information : LogLevel.Error)
        .AddSimpleConsole(console => console.SingleLine = true)
        .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
    EmbeddedOptions options;
    EmbeddedCluster cluster;
    try
    {
        options = arguments.Read(parsed, loggers);
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
        return await new ShellSession(cluster.Client, cluster, cluster, cluster, new ShellOptions())
            .RunAsync(cancellation);
    }
});

return await StrictCommandLine.RunAsync(arguments.Root, args);
