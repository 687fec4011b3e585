using System.CommandLine;
using Orleans.Raft.Bench;
using Orleans.Raft.KeyValue;

const int Failed = 1;
const int Interrupted = 130;

var options = new BenchOptions();
var root = new RootCommand("Measures Orleans.Raft: the disk below it, its parts, the whole, and etcd beside it. Use a "
    + "release build.")
{
    FlushCommand.Create(options),
    CoreCommand.Create(options),
    MapCommand.Create(options),
    LogCommand.Create(options),
    EmbeddedCommand.Create(options),
    MemoryCommand.Create(options),
    MemoryCommand.CreateStep(options),
    OrleansCommand.Create(options),
    EtcdCommand.Create(options),
    FiguresCommand.Create(options),
};
try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
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
