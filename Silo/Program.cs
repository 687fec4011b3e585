using System.CommandLine;
using Microsoft.Extensions.Configuration;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Silo;
using Orleans.Raft.Storage.PostgreSql;

var arguments = new SiloArguments();
arguments.Root.SetAction((parsed, _) =>
{
    IConfigurationRoot configuration = Configure(parsed);
    return SiloSettings.Read(configuration, out IReadOnlyList<string> problems) is { } settings
        ? new SiloRun(settings, configuration).RunAsync()
        : Task.FromResult(StrictCommandLine.Refuse(string.Join(" ", problems)));
});
arguments.InitDatabase.SetAction(async (parsed, cancellation) =>
{
    IConfigurationRoot configuration = Configure(parsed);
    string? database = SiloSettings.ReadDatabase(configuration, out IReadOnlyList<string> problems);
    IReadOnlyList<Slot>? slots = SiloSettings.ReadSlots(configuration, out IReadOnlyList<string> more);
    if (database is null || more.Count > 0) return StrictCommandLine.Refuse(string.Join(" ", problems.Concat(more)));
    return await WithDatabaseAsync(async () =>
    {
        Console.WriteLine(await new ClusterDatabase(database).PrepareAsync(cancellation));
        await foreach (string done in new SlotDatabases(slots ?? []).PrepareAsync()) Console.WriteLine(done);
    });
});
arguments.AcceptDatabase.SetAction((parsed, _) =>
{
    IReadOnlyList<Slot>? slots = SiloSettings.ReadSlots(Configure(parsed), out IReadOnlyList<string> problems);
    if (problems.Count > 0) return Task.FromResult(StrictCommandLine.Refuse(string.Join(" ", problems)));
    return WithDatabaseAsync(async () => Console.WriteLine(
        await new SlotDatabases(slots ?? []).AcceptAsync(parsed.GetValue(arguments.SlotToAccept)!)));
});
// Signals are the silo's own: an orderly end takes longer than the parser would wait for it.
return await StrictCommandLine.RunAsync(arguments.Root, args,
    new InvocationConfiguration { ProcessTerminationTimeout = null });

static async Task<int> WithDatabaseAsync(Func<Task> work)
{
    try
    {
        await work();
        return 0;
    }
    catch (Exception failure) when (failure is ClusterDatabaseException or DatabaseException or ArgumentException)
    {
        return SiloRun.Refuse("Database", failure.Message);
    }
}

IConfigurationRoot Configure(ParseResult parsed) => new ConfigurationBuilder()
    .AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true, reloadOnChange: false)
    .AddEnvironmentVariables()
    .AddInMemoryCollection(arguments.Read(parsed))
    .Build();
