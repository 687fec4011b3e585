using System.CommandLine;
using System.Runtime.InteropServices;
using Orleans.Raft.Chaos;

const int Interrupted = 130;

var host = new Option<string>("--host") { Description = "silos (three processes) or embedded (one).",
    DefaultValueFactory = _ => "silos" };
host.AcceptOnlyFromAmong("silos", "embedded");
var seconds = new Option<double>("--seconds") { Description = "How long at least; it goes on until a whole history was "
    + "checked and every fault was seen.", DefaultValueFactory = _ => 60 };
var minutes = new Option<double?>("--minutes") { Description = "The same in minutes." };
var seed = new Option<int?>("--seed") { Description = "Draws operations and faults (default: a new one, printed)." };
var clients = new Option<int>("--clients") { Description = "Clients whose histories are checked.",
    DefaultValueFactory = _ => 8 };
var rate = new Option<double>("--rate") { Description = "Most operations a second, of all clients together.",
    DefaultValueFactory = _ => 400 };
var faults = new Option<string?>("--faults") { Description =
    "Kinds of faults, comma-separated: kill, stop, full; embedded also node-kill, isolate (default: all)." };
var data = new Option<string?>("--data") { Description =
    "An empty directory (default: a new temporary one, removed if all is well)." };
var root = new RootCommand("Breaks the store's processes under load, and checks what clients were told.")
{
    host, seconds, minutes, seed, clients, rate, faults, data,
};
root.SetAction(parsed =>
{
    TimeSpan duration = parsed.GetValue(minutes) is { } given
        ? TimeSpan.FromMinutes(given)
        : TimeSpan.FromSeconds(parsed.GetValue(seconds));
    int drawn = parsed.GetValue(seed) ?? Random.Shared.Next();
    return ExecuteAsync(new ChaosCommand(parsed.GetValue(host)!, duration, drawn, parsed.GetValue(clients),
        parsed.GetValue(rate), parsed.GetValue(faults)?.Split(','), parsed.GetValue(data)));
});

var storeData = new Option<string>("--data") { Required = true };
var storeClients = new Option<int>("--clients") { Required = true };
var store = new Command("store", "The child process of --host embedded.") { storeData, storeClients };
store.Hidden = true;
store.SetAction((parsed, _) =>
    EmbeddedStore.RunAsync(parsed.GetValue(storeData)!, parsed.GetValue(storeClients)));
root.Subcommands.Add(store);
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });

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
