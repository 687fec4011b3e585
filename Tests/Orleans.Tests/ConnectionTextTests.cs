using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Orleans.Raft.Client;
using Orleans.Raft.Silo;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Wrong connection strings, wherever they are given: each is told, and none of its values.</summary>
public sealed class ConnectionTextTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("connections-").FullName;

    public static TheoryData<string> Wrong { get; } =
    [
        "",
        "Username=secret",
        "Host=db;Prot=secret",
        "Host=db;Prot=",
        "x=",
        "secret",
        "Host=db;Port=secret",
        "Host=db;SSL Mode=secret",
        "Host=db;Password='secret",
    ];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Of_a_silo(string text)
    {
        IConfiguration given = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            [$"{SiloSettings.Section}:Name"] = "silo-1",
            [$"{SiloSettings.Section}:Clustering"] = "postgresql",
            [$"{SiloSettings.Section}:Database"] = text,
        }).Build();
        Assert.Null(SiloSettings.Read(given, out IReadOnlyList<string> problems));
        RequireTold(Assert.Single(problems), "--database");
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Of_a_slot(string text)
    {
        string path = Path.Combine(_directory, "slots.json");
        string quoted = JsonSerializer.Serialize(text);
        File.WriteAllText(path, $$"""{"slot-1": {"connection": {{quoted}} } }""");
        Assert.Null(SlotFile.Read(path, out string problem));
        RequireTold(problem, "slot-1");
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Of_the_kv_tool(string text)
    {
        var arguments = new KvArguments();
        ParseResult parsed = arguments.Root.Parse([$"--database={text}", "status"]);
        RequireTold(Assert.Throws<ArgumentException>(() => arguments.Read(parsed)).Message, "--database");
    }

    private static void RequireTold(string problem, string place)
    {
        Assert.Contains(place, problem, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", problem, StringComparison.Ordinal);
    }
}
