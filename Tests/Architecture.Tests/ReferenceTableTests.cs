using System.Xml.Linq;

namespace Orleans.Raft.Architecture.Tests;

/// <summary>Holds the table of ARCHITECTURE.md: which project may reference which.</summary>
public class ReferenceTableTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Raft"] = [],
        ["Storage"] = ["Raft"],
        ["Storage.PostgreSql"] = ["Storage", "Npgsql"],
        ["KeyValue"] = ["Raft", "Storage"],
        ["Shell"] = ["KeyValue"],
        ["CommandLine"] = [],
        ["Embedded"] = ["KeyValue", "Storage", "Shell", "CommandLine"],
        ["Grains.Interfaces"] = ["Microsoft.Orleans.Sdk"],
        ["Grains"] = ["KeyValue", "Grains.Interfaces", "Microsoft.Orleans.Sdk", "Microsoft.Orleans.Server"],
        ["Silo"] = ["Grains", "Storage", "Storage.PostgreSql", "CommandLine", "Microsoft.Orleans.Server",
            "Microsoft.Orleans.Clustering.AdoNet", "Microsoft.Orleans.Persistence.AdoNet", "Npgsql"],
        ["Client"] = ["Grains.Interfaces", "KeyValue", "Shell", "CommandLine", "Microsoft.Orleans.Client",
            "Microsoft.Orleans.Clustering.AdoNet", "Npgsql"],
    };

    public static TheoryData<string> Projects => [.. Allowed.Keys];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_what_the_table_allows(string project)
    {
        string[] references = [.. References(project)
            .Where(r => IsOurs(r) || r.StartsWith("Microsoft.Orleans", StringComparison.Ordinal) || r == "Npgsql")];
        Assert.All(references, reference => Assert.Contains(reference, Allowed[project]));
    }

    [Theory]
    [InlineData("Raft")]
    [InlineData("Storage")]
    [InlineData("Storage.PostgreSql")]
    [InlineData("KeyValue")]
    [InlineData("Shell")]
    [InlineData("Embedded")]
    public void A_built_assembly_references_only_what_the_table_allows(string project)
    {
        string assembly = project == "Raft" ? "Orleans.Raft.Core" : $"Orleans.Raft.{project}";
        string[] allowed = [.. Closure(project).Select(r => r == "Raft" ? "Orleans.Raft.Core" : $"Orleans.Raft.{r}")];
        string[] references = [.. System.Reflection.Assembly.Load(assembly).GetReferencedAssemblies()
            .Select(r => r.Name!).Where(r => r.StartsWith("Orleans", StringComparison.Ordinal))];
        Assert.All(references, reference => Assert.Contains(reference, allowed));
    }

    [Fact]
    public void The_core_references_nothing_but_the_base_class_library()
    {
        var references = System.Reflection.Assembly.Load("Orleans.Raft.Core").GetReferencedAssemblies();
        Assert.All(references, reference => Assert.StartsWith("System", reference.Name));
    }

    [Fact]
    public void Every_project_at_the_top_is_in_the_table()
    {
        string[] known = [.. Allowed.Keys, "Bench"];
        Assert.All(Repository.ProjectFolders(), project => Assert.Contains(project, known));
    }

    [Fact]
    public void Every_project_has_a_readme()
    {
        Assert.All(Allowed.Keys.Where(project => Directory.Exists(Repository.PathOf(project))),
            project => Assert.True(File.Exists(Repository.PathOf($"{project}/README.md")),
                $"{project}/README.md is missing"));
    }

    /// <summary>A project and all that its allowed references may reference.</summary>
    private static HashSet<string> Closure(string project)
    {
        var closure = new HashSet<string>();
        var open = new Queue<string>(Allowed[project]);
        while (open.TryDequeue(out string? next))
        {
            if (!closure.Add(next) || !Allowed.TryGetValue(next, out string[]? further)) continue;
            foreach (string reference in further) open.Enqueue(reference);
        }
        return closure;
    }

    private static bool IsOurs(string reference) =>
        Allowed.ContainsKey(reference) || Directory.Exists(Repository.PathOf(reference));

    private static IEnumerable<string> References(string project)
    {
        string path = Repository.PathOf($"{project}/{project}.csproj");
        XDocument document = XDocument.Load(path);
        foreach (XElement element in document.Descendants())
        {
            if (element.Attribute("Include")?.Value is not { } include) continue;
            if (element.Name.LocalName == "ProjectReference")
                yield return Path.GetFileNameWithoutExtension(include.Replace('\\', '/'));
            if (element.Name.LocalName == "PackageReference") yield return include;
        }
    }
}
