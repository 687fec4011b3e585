using System.CommandLine;
using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Grains;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Silo;

const int BadStart = 2;

var arguments = new SiloArguments();
arguments.Root.SetAction(RunAsync);
return await StrictCommandLine.RunAsync(arguments.Root, args);

async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
{
    IConfigurationRoot configuration = new ConfigurationBuilder()
        .AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true, reloadOnChange: false)
        .AddEnvironmentVariables()
        .AddInMemoryCollection(arguments.Read(parsed))
        .Build();
    if (SiloSettings.Read(configuration, out IReadOnlyList<string> problems) is not { } settings)
        return StrictCommandLine.Refuse(string.Join(" ", problems));
    if (SiloHost.FindPortInUse(settings) is { } taken) return Refuse("PortInUse", taken);

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
        return Refuse("Start", $"{settings.Name} with data in {Path.Combine(settings.Data, settings.Name.Value)}: "
            + RootOf(failure).Message);
    }
    if (!settings.FlushToDisk)
        await Console.Error.WriteLineAsync("Warning: --no-fsync acknowledges writes before they are on the disk; a "
            + "power failure may lose acknowledged writes.");
    Console.WriteLine($"ready {settings.Name}");
    await host.WaitForShutdownAsync(cancellation);
    return 0;
}

static Exception RootOf(Exception failure) => failure is AggregateException { InnerException: { } inner }
    ? RootOf(inner)
    : failure;

static int Refuse(string code, string message)
{
    Console.Error.WriteLine($"ERR {code}: {message}");
    return BadStart;
}
