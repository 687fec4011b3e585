using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Processes;
using Orleans.Raft.Silo;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>The table of a silo's options and the file of their defaults, compared with the code.</summary>
public sealed partial class OptionsDocumentTests
{
    /// <summary>What a table says of an option without a default.</summary>
    private const string None = "none";

    private static readonly string[] s_units = ["text", "flag", "port", "MiB", "s", "groups", "replicas"];

    private static string Folder => Path.Combine(ProgramFiles.Repository!, "deploy", "config");

    [Fact]
    public void Each_option_has_its_row_with_what_the_program_itself_says_of_it()
    {
        Option[] table = [.. Table()];
        Assert.Equal(SiloSettings.All.Select(option => (option.Argument, option.Key)),
            table.Select(row => (row.Argument, row.Key)));
        foreach ((Option row, string description) in table.Zip(SiloSettings.All.Select(option => option.Description)))
            Assert.Equal(row.What, DefaultText().Replace(description, ""));
        Assert.All(table, row => Assert.Contains(row.Unit, s_units));
    }

    [Fact]
    public void A_default_is_what_counts_without_the_option()
    {
        string without = Print();
        foreach (Option row in Table().Where(row => row.Default != None))
        {
            // What a node knows itself, and what lies in --data.
            if (row.Key is "Groups") Assert.Equal($"{StoreNodeOptions.DefaultGroups}", row.Default);
            else if (row.Key is "Membership") Assert.Equal("DATA/membership.json", row.Default);
            else Assert.Equal((row.Key, without), (row.Key, Print((row.Key, row.Default == "off" ? "false" : row.Default))));
            string? another = row.Default == "off" ? "true"
                : int.TryParse(row.Default, CultureInfo.InvariantCulture, out int number) ? $"{number + 1}" : null;
            if (another is not null && row.Key != "Join") Assert.NotEqual(without, Print((row.Key, another)));
        }
    }

    [Fact]
    public void The_file_of_defaults_changes_nothing()
    {
        IConfigurationRoot file = new ConfigurationBuilder().AddJsonFile(Path.Combine(Folder, "appsettings.json")).Build();
        Assert.Equal(Print(), Print([.. file.GetSection(SiloSettings.Section).GetChildren()
            .Select(setting => (setting.Key, setting.Value!))]));
        Assert.Equal(Table().Where(row => row.Default != None && row.Key is not ("Nodes" or "Groups" or "Membership"))
            .Select(row => row.Key).Append("Name").Order(),
            file.GetSection(SiloSettings.Section).GetChildren().Select(setting => setting.Key).Order());
    }

    [Fact]
    public void To_the_file_of_defaults_slots_may_be_added()
    {
        string slots = Path.Combine(Directory.CreateTempSubdirectory("slots-").FullName, "slots.json");
        File.WriteAllText(slots, """{"slot-1": {"connection": "Host=db-a"}, "slot-2": {"connection": "Host=db-b"}}""");
        IConfigurationRoot file = new ConfigurationBuilder().AddJsonFile(Path.Combine(Folder, "appsettings.json"))
            .AddInMemoryCollection(new Dictionary<string, string?>
            {
                [$"{SiloSettings.Section}:Clustering"] = "postgresql",
                [$"{SiloSettings.Section}:Database"] = "Host=db",
                [$"{SiloSettings.Section}:Slots"] = slots,
            }).Build();
        SiloSettings? settings = SiloSettings.Read(file, out IReadOnlyList<string> problems);
        Directory.Delete(Path.GetDirectoryName(slots)!, recursive: true);
        Assert.Empty(problems);
        Assert.Equal(["slot-1", "slot-2"], settings!.Nodes.Select(node => node.Value));
        Assert.True(settings.FormsWithAllSlots);
    }

    private static string Print(params (string Key, string Value)[] given)
    {
        var values = new Dictionary<string, string?> { [$"{SiloSettings.Section}:Name"] = "silo-1" };
        foreach ((string key, string value) in given) values[$"{SiloSettings.Section}:{key}"] = value;
        SiloSettings settings = SiloSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(values).Build(),
            out IReadOnlyList<string> problems) ?? throw new InvalidOperationException(string.Join(" ", problems));
        return $"{settings} {string.Join(',', settings.Nodes)}";
    }

    private static IEnumerable<Option> Table()
    {
        foreach (string line in File.ReadLines(Path.Combine(Folder, "README.md")))
            if (Row().Match(line) is { Success: true, Groups: var cells })
                yield return new Option(cells[1].Value, cells[2].Value, cells[3].Value, cells[4].Value, cells[5].Value);
    }

    [GeneratedRegex(@"^\| `(--[a-z-]+)` \| `(\w+)` \| (\w+) \| `([^`]+)` \| (.+) \|$")]
    private static partial Regex Row();

    [GeneratedRegex(@" ?\(default:? [^()]*\)")]
    private static partial Regex DefaultText();

    private sealed record Option(string Argument, string Key, string Unit, string Default, string What);
}
