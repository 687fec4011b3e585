using System.CommandLine;
using Microsoft.Extensions.Configuration;
using Orleans.Raft.CommandLine;
using Orleans.Raft.Silo;

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
    string? database = SiloSettings.ReadDatabase(Configure(parsed), out IReadOnlyList<string> problems);
    if (database is null) return StrictCommandLine.Refuse(string.Join(" ", problems));
    try
    {
        Console.WriteLine(await new ClusterDatabase(database).PrepareAsync(cancellation));
        return 0;
    }
    catch (ClusterDatabaseException failure)
    {
        return SiloRun.Refuse("Database", failure.Message);
    }
});
// Signals are the silo's own: an orderly end takes longer than the parser would wait for it.
return await StrictCommandLine.RunAsync(arguments.Root, args,
    new InvocationConfiguration { ProcessTerminationTimeout = null });

IConfigurationRoot Configure(ParseResult parsed) => new ConfigurationBuilder()
    .AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"), optional: true, reloadOnChange: false)
    .AddEnvironmentVariables()
    .AddInMemoryCollection(arguments.Read(parsed))
    .Build();
