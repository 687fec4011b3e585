using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Raft.Grains;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Silo;

/// <summary>The life of a silo's process, from checked settings to its exit code.</summary>
internal sealed class SiloRun(SiloSettings settings, IConfiguration configuration)
{
    public const int BadStart = 2;

    /// <summary>What Orleans and the storage get to end, after leadership was handed over: both together are to be less
    /// than the half minute after which those who run containers lose their patience.</summary>
    public static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(20);

    public async Task<int> RunAsync()
    {
        using var signals = new StopSignals();
        using var starting = new CancellationTokenSource();
        _ = CancelAsync(signals.First, starting);
        SiloEndpoints endpoints;
        try
        {
            endpoints = await SiloEndpoints.ResolveAsync(settings, starting.Token);
        }
        catch (ArgumentException failure)
        {
            return Refuse("BadOption", failure.Message);
        }
        if (endpoints.FindPortInUse() is { } taken) return Refuse("PortInUse", taken);
        using IHost host = SiloHost.Build(settings, endpoints, configuration);
        bool started = false;
        try
        {
            if (settings.Database is { } database) await new ClusterDatabase(database).CheckAsync(starting.Token);
            var table = (OneNameMembershipTable)host.Services.GetRequiredService<IMembershipTable>();
            await new SiloEntrance(table, settings.Name, new IPEndPoint(endpoints.Advertised, settings.SiloPort),
                TimeProvider.System).EnterAsync(starting.Token);
            // Two that enter at the same moment: the second is told by the table.
            await await Task.WhenAny(host.StartAsync(starting.Token), table.Refused);
            started = true;
            await host.Services.GetRequiredService<SiloNodes>().Serving.WaitAsync(starting.Token);
        }
        catch (OperationCanceledException) when (signals.First.IsCompleted)
        {
            if (started) return await StopAsync(host);
            return 0;
        }
        catch (ClusterDatabaseException failure)
        {
            return Refuse("Database", failure.Message);
        }
        catch (SiloNameTakenException failure)
        {
            return Refuse("NameTaken", failure.Message);
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
        CancellationToken ended = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        await Task.WhenAny(signals.First, Task.Delay(Timeout.InfiniteTimeSpan, ended));
        return await StopAsync(host);
    }

    public static int Refuse(string code, string message)
    {
        Console.Error.WriteLine($"ERR {code}: {message}");
        return BadStart;
    }

    /// <summary>Hands over what it leads; then what is under way ends, all is flushed, and the silo leaves.</summary>
    private async Task<int> StopAsync(IHost host)
    {
        _ = EndInTimeAsync();
        SiloNodes nodes = host.Services.GetRequiredService<SiloNodes>();
        int left = await nodes.HandOverAsync(settings.StopWithin);
        if (left > 0)
            await Console.Error.WriteLineAsync($"Warning: {settings.Name} stops and still leads {left} group(s) that no "
                + $"other silo took over within {settings.StopWithin.TotalSeconds} s; they elect another leader.");
        await host.StopAsync(CancellationToken.None);
        return 0;
    }

    private async Task EndInTimeAsync()
    {
        TimeSpan limit = settings.StopWithin + StopLimit;
        await Task.Delay(limit);
        StopSignals.EndAtOnce($"{settings.Name} did not stop within {limit.TotalSeconds} s");
    }

    private static async Task CancelAsync(Task signal, CancellationTokenSource starting)
    {
        await signal;
        await starting.CancelAsync();
    }

    private static Exception RootOf(Exception failure) => failure is AggregateException { InnerException: { } inner }
        ? RootOf(inner)
        : failure;
}
