using System.CommandLine;
using System.Runtime.InteropServices;
using Orleans.Raft.Chaos;
using Orleans.Raft.CommandLine;

const int Interrupted = 130;

var arguments = new ChaosArguments();
arguments.Root.SetAction((parsed, _) => ExecuteAsync(arguments.Read(parsed)));
arguments.Store.SetAction((parsed, _) =>
{
    (string data, int clients) = arguments.ReadStore(parsed);
    return EmbeddedStore.RunAsync(data, clients);
});
return await StrictCommandLine.RunAsync(arguments.Root, args,
    new InvocationConfiguration { ProcessTerminationTimeout = null });

static async Task<int> ExecuteAsync(ChaosCommand command)
{
    using var interrupt = new CancellationTokenSource();
    using PosixSignalRegistration onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
    using PosixSignalRegistration onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
    try
    {
        return await command.RunAsync(Console.WriteLine, interrupt.Token) ? 0 : 1;
    }
    catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
    {
        Console.WriteLine("interrupted: everything that was started has been ended; no verdict");
        return Interrupted;
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
