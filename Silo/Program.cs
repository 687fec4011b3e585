using System.CommandLine;
using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Raft.Grains;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Silo;

const int BadStart = 2;

var root = new RootCommand("Orleans.Raft: a silo that stores replicas. Prints 'ready NAME' once all its groups have a "
    + "leader.");
var options = new List<(string Key, Func<ParseResult, string?> Value)>();
foreach ((string key, string argument, string description) in SiloSettings.All)
{
    if (key == "NoFsync")
    {
        var flag = new Option<bool>(argument) { Description = description };
        options.Add((key, parsed => parsed.GetValue(flag) ? "true" : null));
        root.Options.Add(flag);
        continue;
    }
    var option = new Option<string?>(argument) { Description = description };
    options.Add((key, parsed => parsed.GetValue(option)));
    root.Options.Add(option);
}
var verbose = new Option<bool>("--verbose") { Description = "Elections, activations and the like on standard error." };
root.Options.Add(verbose);
root.SetAction((parsed, cancellation) => RunAsync(parsed, cancellation));

ParseResult result = root.Parse(args);
return result.Errors.Count == 0
    ? await result.InvokeAsync()
    : Refuse("BadOption", result.Errors.Select(e => $"{e.Message} See --help."));

async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
{
    IConfigurationRoot configuration = new ConfigurationBuilder()
        .AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true, reloadOnChange: false)
        .AddEnvironmentVariables()
        .AddInMemoryCollection(Given(parsed))
        .Build();
    if (SiloSettings.Read(configuration, out IReadOnlyList<string> problems) is not { } settings)
        return Refuse("BadOption", problems);
    if (SiloHost.FindPortInUse(settings) is { } taken) return Refuse("PortInUse", [taken]);

    using IHost host = SiloHost.Build(settings, configuration);
    bool started = false;
    try
    {
        var own = new IPEndPoint(settings.Address, settings.SiloPort);
        await new FileMembershipTable(settings.Membership).BuryEarlierLivesAsync(own);
        await host.StartAsync(cancellation);
        started = true;
        SiloNode node = host.Services.GetRequiredService<SiloNode>();
        await node.Serving.WaitAsync(cancellation);
    }
    catch (Exception failure) when (RootOf(failure) is ArgumentException or FormationException or IOException
        or InvalidDataException or OrleansException or UnauthorizedAccessException)
    {
        // A silo that did not get as far as running cannot be stopped; disposing of the host ends what there is.
        if (started) await host.StopAsync(CancellationToken.None);
        return Refuse("Start", [$"{settings.Name} with data in {Path.Combine(settings.Data, settings.Name.Value)}: "
            + $"{RootOf(failure).Message}"]);
    }
    if (!settings.FlushToDisk)
        await Console.Error.WriteLineAsync("Warning: --no-fsync acknowledges writes before they are on the disk; a "
            + "power failure may lose acknowledged writes.");
    Console.WriteLine($"ready {settings.Name}");
    await host.WaitForShutdownAsync(cancellation);
    return 0;
}

IEnumerable<KeyValuePair<string, string?>> Given(ParseResult parsed)
{
    foreach ((string key, Func<ParseResult, string?> value) in options)
        if (value(parsed) is { } text) yield return new($"{SiloSettings.Section}:{key}", text);
    if (parsed.GetValue(verbose)) yield return new("Logging:LogLevel:Orleans.Raft", "Information");
}

static Exception RootOf(Exception failure) => failure is AggregateException { InnerException: { } inner }
    ? RootOf(inner)
    : failure;

static int Refuse(string code, IEnumerable<string> messages)
{
    Console.Error.WriteLine($"ERR {code}: {string.Join(" ", messages)}");
    return BadStart;
}
