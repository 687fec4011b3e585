using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Orleans.Raft.Architecture.Tests;

/// <summary>Deliberate bugs are for tests alone: nobody else can name one, let alone switch it on.</summary>
public sealed partial class FaultPointTests
{
    private const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
        | BindingFlags.Static | BindingFlags.DeclaredOnly;

    // Test suites besides; and those to which the points are passed down from the node's options.
    private static readonly string[] Friends =
    [
        "Orleans.Raft.Testing", "Orleans.Raft.Simulator", "Orleans.Raft.Mutations", "Orleans.Raft.Fuzz",
        "Orleans.Raft.Storage", "Orleans.Raft.Storage.PostgreSql", "Orleans.Raft.KeyValue",
    ];

    [Theory]
    [InlineData("Orleans.Raft.Core")]
    [InlineData("Orleans.Raft.Storage")]
    [InlineData("Orleans.Raft.Storage.PostgreSql")]
    [InlineData("Orleans.Raft.KeyValue")]
    [InlineData("Orleans.Raft.Shell")]
    [InlineData("Orleans.Raft.Embedded")]
    public void No_assembly_shows_a_fault_point_to_others(string name)
    {
        Assembly assembly = Assembly.Load(name);
        Assert.DoesNotContain(assembly.GetExportedTypes(), IsFaultPoint);
        foreach (Type type in assembly.GetExportedTypes())
            Assert.All(type.GetMembers(All).Where(IsVisible), member =>
                Assert.False(TypesOf(member).Any(IsFaultPoint), $"{type}.{member.Name} shows a fault point"));
        Assert.All(assembly.GetCustomAttributes<InternalsVisibleToAttribute>().Select(friend => friend.AssemblyName),
            friend => Assert.True(friend.EndsWith(".Tests", StringComparison.Ordinal) || Friends.Contains(friend),
                $"{name} shows its internals to {friend}"));
    }

    [Fact]
    public void Only_tests_switch_a_fault_point_on()
    {
        int asked = 0;
        foreach (string file in Repository.ProjectFolders().SelectMany(Repository.Sources))
        {
            string text = File.ReadAllText(file);
            asked += Asks().Count(text);
            // To name a point is to ask for it, and what is passed down is what somebody else was given.
            Assert.True(Names().Count(text) == Asks().Count(text),
                $"{file} names a fault point, but not to ask for it");
            Assert.False(Makes().IsMatch(text), $"{file} makes fault points: {Makes().Match(text).Value}");
            foreach (Match assigned in Assigns().Matches(text))
            {
                Assert.True(PassesOn().IsMatch(assigned.Groups[1].Value),
                    $"{file} sets fault points to {assigned.Groups[1].Value}");
            }
        }

        Assert.True(asked >= Points().Count, $"only {asked} places ask for a fault point");
    }

    /// <summary>What a store assembly can see of the internals below it, it leaves alone, but for what the two homes of
    /// replicas have in common.</summary>
    [Theory]
    [InlineData("Storage", "Raft")]
    [InlineData("KeyValue", "Raft")]
    [InlineData("KeyValue", "Storage")]
    [InlineData("Storage.PostgreSql", "Raft")]
    [InlineData("Storage.PostgreSql", "Storage", "ReplicaHandle", "ReplicaRegister`1", "StorageLog")]
    public void Of_the_internals_below_only_the_fault_points_are_used(string user, string used, params string[] shared)
    {
        string usedName = used == "Raft" ? "Orleans.Raft.Core" : $"Orleans.Raft.{used}";
        Assembly assembly = Assembly.Load(usedName);
        foreach ((string type, string? member) in References.Of($"Orleans.Raft.{user}", usedName))
        {
            Type found = assembly.GetType(type, throwOnError: true)!;
            if (IsFaultPoint(found) || shared.Contains(found.Name)) continue;
            Assert.True(found.IsVisible, $"{user} uses the internal {type} of {used}");
            if (member is null or "get_Faults" or "set_Faults") continue;
            MemberInfo[] members = found.GetMember(member, All);
            Assert.True(members.Length == 0 || members.Any(IsVisible), $"{user} uses the internal {type}.{member}");
        }
    }

    [Fact]
    public void Every_fault_point_has_a_rule_that_it_breaks_and_a_test_that_finds_it()
    {
        string rules = File.ReadAllText(Repository.PathOf("docs/safety.md"));
        string tests = string.Concat(Repository.Sources("Tests/Mutations").Select(File.ReadAllText));
        string[][] rows = [.. File.ReadLines(Repository.PathOf("Tests/Mutations/README.md"))
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1)
            .Select(line => line.Trim('|', ' ').Split('|', StringSplitOptions.TrimEntries))];
        Assert.Equal(Points(), rows.Select(row => row[1].Trim('`')));
        foreach (string[] row in rows)
        {
            Assert.True(rules.Contains($"\n| {row[2]} |", StringComparison.Ordinal),
                $"docs/safety.md has no rule '{row[2]}'");
            string point = row[1].Trim('`');
            string test = row[^1].Trim('`');
            string finds = $@"public void {test}\(\) => Mutation\.IsFound\(\s*FaultPoint\.{point},";
            Assert.True(Regex.IsMatch(tests, finds), $"no test {test} finds {point}");
        }
    }

    private static List<string> Points()
    {
        string[] lines = File.ReadAllLines(Repository.PathOf("Raft/Faults/FaultPoint.cs"));
        return [.. lines.Select(line => Member().Match(line)).Where(match => match.Success)
            .Select(match => match.Groups[1].Value)];
    }

    private static bool IsFaultPoint(Type type) => type.Name is "FaultPoint" or "FaultPoints";

    private static bool IsVisible(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        FieldInfo field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisible),
        EventInfo added => IsVisible(added.AddMethod!),
        Type nested => nested.IsNestedPublic || nested.IsNestedFamily || nested.IsNestedFamORAssem,
        _ => true,
    };

    private static IEnumerable<Type> TypesOf(MemberInfo member) => member switch
    {
        MethodInfo method =>
            [method.ReturnType, .. method.GetParameters().Select(parameter => parameter.ParameterType)],
        ConstructorInfo made => made.GetParameters().Select(parameter => parameter.ParameterType),
        FieldInfo field => [field.FieldType],
        PropertyInfo property => [property.PropertyType],
        Type nested => [nested],
        _ => [],
    };

    [GeneratedRegex(@"\bFaultPoint\.\w")]
    private static partial Regex Names();

    [GeneratedRegex(@"\.Has\(\s*FaultPoint\.\w")]
    private static partial Regex Asks();

    [GeneratedRegex(@"new FaultPoints\b|FaultPoints \w+ = new\(")]
    private static partial Regex Makes();

    [GeneratedRegex(@"\bFaults = ([^;,}]+)")]
    private static partial Regex Assigns();

    [GeneratedRegex(@"^(\w+\.Faults|_?faults)\s*$")]
    private static partial Regex PassesOn();

    [GeneratedRegex(@"^    (\w+),$")]
    private static partial Regex Member();
}
