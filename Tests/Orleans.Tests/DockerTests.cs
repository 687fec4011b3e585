using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Orleans.Raft.Processes;
using Orleans.Raft.Silo;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>What can be said of deploy/docker without an engine: its files, and what its image would run.</summary>
public sealed partial class DockerTests : IDisposable
{
    private const string SlotsInContainer = "/etc/orleans-raft/slots.json";

    // "nobody", on all systems that have containers.
    private const int OrdinaryUser = 65534;

    private static readonly string s_root = ProgramFiles.Repository!;
    private readonly string _directory = Directory.CreateTempSubdirectory("docker-").FullName;

    private static string Folder => Path.Combine(s_root, "deploy", "docker");

    private static string Dockerfile => File.ReadAllText(Path.Combine(Folder, "Dockerfile"));

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("compose.yaml", "silo-1,silo-2,silo-3")]
    [InlineData("compose.postgresql.yaml", "slot-1,slot-2,slot-3")]
    public void Silos_of_a_compose_file_have_options_that_a_silo_takes(string file, string nodes)
    {
        Composition composition = Read(file);
        foreach (int i in Enumerable.Range(1, 3))
        {
            Service service = composition.Services[$"silo-{i}"];
            SiloSettings settings = Settings(service, out IReadOnlyList<string> problems)
                ?? throw new InvalidOperationException(string.Join(" ", problems));
            Assert.Equal(($"silo-{i}", $"silo-{i}", $"silo-{i}"),
                (settings.Name.Value, settings.Address, service.Hostname));
            Assert.Equal((nodes, "/data", true, 8080), (string.Join(',', settings.Nodes), settings.Data,
                settings.ListensOnAny, settings.HealthPort));
            Assert.Equal("membership", Host(settings.Database!));
            Assert.Contains("membership", composition.Services.Keys);
            var grace = TimeSpan.FromSeconds(
                int.Parse(service.StopGracePeriod!.TrimEnd('s'), CultureInfo.InvariantCulture));
            TimeSpan limit = settings.StopWithin + SiloRun.StopLimit;
            Assert.True(grace > limit, $"{grace} is not longer than {limit}");
        }
        Assert.Equal(["init-database"], composition.Services["schema"].Command);
        Assert.All(composition.Services["schema"].DependsOn.Keys, database => Assert.Equal(
            ["CMD", "pg_isready", "--host", "127.0.0.1"], composition.Services[database].Healthcheck!.Test[..4]));
        string[] kv = composition.Services["kv"].Entrypoint!;
        Assert.Equal("silo-1:30000,silo-2:30000,silo-3:30000", kv[^1]);
        Assert.EndsWith($"/{Path.GetFileName(ProgramFiles.Find("Client"))}", kv[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Each_slot_of_the_compose_file_has_a_database_and_a_zone_of_its_own()
    {
        Composition composition = Read("compose.postgresql.yaml");
        Assert.Equal([$"./slots.json:{SlotsInContainer}:ro"], composition.Services["silo-1"].Volumes);
        IReadOnlyList<Slot> slots = SlotFile.Read(Path.Combine(Folder, "slots.json"), out _)!;
        string[] databases = [.. composition.Services.Keys.Where(
            name => name.StartsWith("database-", StringComparison.Ordinal))];
        Assert.Equal(databases.Order(), slots.Select(slot => Host(slot.Connection)).Order());
        Assert.Equal(databases.Order(), slots.Select(slot => slot.Zone).Order());
        Assert.All(databases, name => Assert.Contains(name, composition.Services["schema"].DependsOn.Keys));
    }

    /// <summary>As the image does: published, from an empty folder, as somebody who owns nothing but that.</summary>
    [Fact]
    public async Task What_is_published_runs_from_an_empty_folder_as_an_ordinary_user_by_its_entry_points()
    {
        string published = Path.Combine(_directory, "published"), data = Path.Combine(_directory, "data");
        foreach (Match publish in Publish().Matches(Dockerfile))
        {
            string folder = Path.Combine(published, Path.GetFileName(publish.Groups[2].Value));
            await RunAsync("dotnet", ["publish", publish.Groups[1].Value, "-c", Configuration(), "--no-build", "-v",
                "quiet", "-nodeReuse:false", "-o", folder], s_root);
        }
        Directory.CreateDirectory(data);
        MakeOrdinary(data);
        string[] silo = Installed(published, EntryPoint().Match(Dockerfile).Groups[1].Value);
        string[] kv = Installed(published,
            JsonSerializer.Serialize(Read("compose.yaml").Services["kv"].Entrypoint![..2]));
        int gateway = FreePort(), health = FreePort();
        using Process running = Start(
            [.. silo, "--name", "silo-1", "--nodes", "silo-1", "--silo-port", $"{FreePort()}", "--gateway-port",
                $"{gateway}", "--health-port", $"{health}"], data, ImageEnvironment());
        try
        {
            Assert.Equal("ready silo-1", await running.StandardOutput.ReadLineAsync());

            string[] check = Read("compose.yaml").Services["silo-1"].Healthcheck!.Test;
            Assert.Equal("CMD", check[0]);
            await RunAsync(check[1], [.. check[2..].Select(word => word.Replace("8080", $"{health}"))], data);
            string[] entrance = ["--gateways", $"127.0.0.1:{gateway}"];
            Assert.Equal("OK\n", await RunOrdinaryAsync([.. kv, .. entrance, "put", "greeting", "hello"], data));
            Assert.Equal("hello\n", await RunOrdinaryAsync([.. kv, .. entrance, "get", "greeting"], data));
            Assert.Contains("STOPSIGNAL SIGTERM", Dockerfile, StringComparison.Ordinal);
            await RunAsync("kill", ["-TERM", $"{running.Id}"], data);
            await running.WaitForExitAsync();
            Assert.Equal(0, running.ExitCode);
        }
        finally
        {
            if (!running.HasExited) running.Kill(entireProcessTree: true);
        }
    }

    private static Composition Read(string file)
    {
        var yaml = new MergingParser(new Parser(new StringReader(File.ReadAllText(Path.Combine(Folder, file)))));
        return new DeserializerBuilder().IgnoreUnmatchedProperties().Build().Deserialize<Composition>(yaml);
    }

    /// <summary>What a silo of the image makes of its service's environment and command.</summary>
    private static SiloSettings? Settings(Service service, out IReadOnlyList<string> problems)
    {
        var arguments = new SiloArguments();
        IConfigurationRoot configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(ImageEnvironment().Concat(service.Environment)
                .Select(variable => KeyValuePair.Create(variable.Key.Replace("__", ":"),
                    (string?)variable.Value.Replace(SlotsInContainer, Path.Combine(Folder, "slots.json")))))
            .AddInMemoryCollection(arguments.Read(arguments.Root.Parse(service.Command)))
            .Build();
        // A name that no option has would be overlooked.
        Assert.All(configuration.GetSection(SiloSettings.Section).GetChildren(),
            setting => Assert.Contains(setting.Key, SiloSettings.All.Select(option => option.Key)));
        return SiloSettings.Read(configuration, out problems);
    }

    private static Dictionary<string, string> ImageEnvironment() =>
        Variable().Matches(Dockerfile).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);

    private static string Host(string connection) => new Npgsql.NpgsqlConnectionStringBuilder(connection).Host!;

    private static string[] Installed(string published, string entryPoint) =>
        [.. JsonSerializer.Deserialize<string[]>(entryPoint)!.Select(word =>
            word.Replace("/opt/orleans-raft", published, StringComparison.Ordinal))];

    /// <summary>The image's /data is this process's folder.</summary>
    private static Process Start(string[] command, string folder, Dictionary<string, string> environment)
    {
        string[] words = [.. AsOrdinary(), .. command];
        var start = new ProcessStartInfo(words[0], words[1..])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true,
        };
        foreach ((string key, string value) in environment)
            start.Environment[key] = value == "/data" ? folder : value;
        return Process.Start(start)!;
    }

    private static Task<string> RunOrdinaryAsync(string[] command, string folder)
    {
        string[] words = [.. AsOrdinary(), .. command];
        return RunAsync(words[0], words[1..], folder);
    }

    private static async Task<string> RunAsync(string program, string[] arguments, string folder)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0,
            $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {output}{await errors}");
        return output;
    }

    private static string[] AsOrdinary() => Environment.IsPrivilegedProcess && OperatingSystem.IsLinux()
        ? ["setpriv", $"--reuid={OrdinaryUser}", $"--regid={OrdinaryUser}", "--clear-groups"]
        : [];

    private void MakeOrdinary(string data)
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess) return;
        const UnixFileMode Readable = UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(_directory, File.GetUnixFileMode(_directory) | Readable);
        File.SetUnixFileMode(data, File.GetUnixFileMode(data) | Readable | UnixFileMode.OtherWrite);
    }

    /// <summary>That this was built in.</summary>
    private static string Configuration() =>
        Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)))!;

    [GeneratedRegex(@"dotnet publish (\S+) -c Release -o (\S+)")]
    private static partial Regex Publish();

    [GeneratedRegex(@"^ENTRYPOINT (\[.*\])$", RegexOptions.Multiline)]
    private static partial Regex EntryPoint();

    [GeneratedRegex(@"(OrleansRaft__\w+)=(\S+)")]
    private static partial Regex Variable();

    private sealed class Composition
    {
        // What others refer to must be read where it stands.
        [YamlMember(Alias = "x-silo")]
        public Service? CommonOfSilos { get; init; }

        [YamlMember(Alias = "x-environment")]
        public Dictionary<string, string>? CommonEnvironment { get; init; }

        [YamlMember(Alias = "x-database")]
        public Service? CommonOfDatabases { get; init; }

        [YamlMember(Alias = "services")]
        public Dictionary<string, Service> Services { get; init; } = [];
    }

    private sealed class Service
    {
        [YamlMember(Alias = "build")]
        public Dictionary<string, string>? Build { get; init; }

        [YamlMember(Alias = "hostname")]
        public string? Hostname { get; init; }

        [YamlMember(Alias = "command")]
        public string[] Command { get; init; } = [];

        [YamlMember(Alias = "entrypoint")]
        public string[]? Entrypoint { get; init; }

        [YamlMember(Alias = "environment")]
        public Dictionary<string, string> Environment { get; init; } = [];

        [YamlMember(Alias = "volumes")]
        public string[] Volumes { get; init; } = [];

        [YamlMember(Alias = "depends_on")]
        public Dictionary<string, object> DependsOn { get; init; } = [];

        [YamlMember(Alias = "stop_grace_period")]
        public string? StopGracePeriod { get; init; }

        [YamlMember(Alias = "healthcheck")]
        public Check? Healthcheck { get; init; }
    }

    private sealed class Check
    {
        [YamlMember(Alias = "test")]
        public string[] Test { get; init; } = [];
    }
}
