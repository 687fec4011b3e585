using System.CommandLine;
using Orleans.Raft.Bench;
using Orleans.Raft.CommandLine;
using Orleans.Raft.KeyValue;

const int Failed = 1;
const int Interrupted = 130;

RootCommand root = BenchCommands.Create(new BenchOptions());
try
{
    return await StrictCommandLine.RunAsync(root, args,
        new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception failure) when (failure is BenchException or EtcdException or KeyValueException or FormationException
    or HttpRequestException or IOException or TimeoutException or ArgumentException)
{
    await Console.Error.WriteLineAsync($"ERR {failure.GetType().Name}: {failure.Message}");
    return Failed;
}
catch (OperationCanceledException)
{
    await Console.Error.WriteLineAsync("Interrupted; what was measured so far is above.");
    return Interrupted;
}
