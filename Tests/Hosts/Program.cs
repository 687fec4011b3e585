using System.CommandLine;
using System.Runtime.InteropServices;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Hosts;

const int Interrupted = 130;

var arguments = new HostsArguments();
arguments.Root.SetAction((parsed, _) => ExecuteAsync(arguments.Read(parsed)));
return await StrictCommandLine.RunAsync(arguments.Root, args,
    new InvocationConfiguration { ProcessTerminationTimeout = null });

static async Task<int> ExecuteAsync(HostsCommand command)
{
    using var interrupt = new CancellationTokenSource();
    using PosixSignalRegistration onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
    using PosixSignalRegistration onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
    try
    {
        bool isWell = await command.RunAsync(Console.WriteLine, interrupt.Token);
        int late = command.Reports.Count(cut => cut.IsLate);
        if (late > 0)
            Console.WriteLine($"FAILED: after {late} of {command.Reports.Count} cuts the majority did not go on within "
                + $"{CutReport.Bound.TotalSeconds} s");
        return isWell && late == 0 ? 0 : 1;
    }
    catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
    {
        Console.WriteLine("interrupted: everything that was started has been ended; no verdict");
        return Interrupted;
    }
    catch (NetworkException obstacle)
    {
        await Console.Error.WriteLineAsync($"ERR Hosts cannot be laid out here: {obstacle.Message}. It needs Linux, ip "
            + "(iproute2), nft (nftables) and root.");
        return 2;
    }
    catch (Exception failure) when (failure is ArgumentException or FileNotFoundException)
    {
        await Console.Error.WriteLineAsync($"ERR {failure.Message}");
        return 2;
    }

    void Cancel(PosixSignalContext context)
    {
        context.Cancel = true;
        interrupt.Cancel();
    }
}
