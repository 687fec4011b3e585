using System.Text.RegularExpressions;

namespace Orleans.Raft.Architecture.Tests;

/// <summary>docs/safety.md and docs/parity.md name code and tests; what they name must be there.</summary>
public sealed partial class DocumentTests
{
    private static readonly TestSources Tests = TestSources.Read();

    public static TheoryData<string> Documents => ["docs/safety.md", "docs/parity.md"];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_test_named_in_the_documents_exists(string document)
    {
        List<string> missing = [];
        int named = 0;
        foreach ((int line, string[] cells) in Rows(document))
        {
            foreach (string name in Quoted(cells[^1]))
            {
                named++;
                if (!Tests.Knows(name) && !Path.Exists(Repository.PathOf(name)))
                    missing.Add($"{document}:{line}: {name}");
            }
        }
        Assert.Empty(missing);
        Assert.True(named > 50, $"only {named} tests are named: the tables are not read");
    }

    /// <summary>A row either names a test or says why there is none.</summary>
    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_row_names_a_test_or_says_why_not(string document)
    {
        foreach ((int line, string[] cells) in Rows(document))
        {
            bool says = Quoted(cells[^1]).Any() || cells[^1].StartsWith("none", StringComparison.Ordinal);
            Assert.True(says, $"{document}:{line} names no test: {cells[^1]}");
        }
    }

    [Fact]
    public void All_code_named_in_the_safety_rules_exists()
    {
        string[] sources = [.. Repository.ProjectFolders().SelectMany(Repository.Sources)];
        HashSet<string> words =
            [.. sources.SelectMany(file => Word().Matches(File.ReadAllText(file)).Select(match => match.Value))];
        words.UnionWith(sources.SelectMany(file => Path.GetFileNameWithoutExtension(file).Split('.')));
        List<string> missing = [];
        foreach ((int line, string[] cells) in Rows("docs/safety.md"))
        {
            foreach (string name in Quoted(cells[1]))
            {
                if (!Path.Exists(Repository.PathOf(name)) && !name.Trim('.').Split('.').All(words.Contains))
                    missing.Add($"docs/safety.md:{line}: {name}");
            }
        }
        Assert.Empty(missing);
    }

    /// <summary>The rows of all tables, without their heads.</summary>
    private static IEnumerable<(int Line, string[] Cells)> Rows(string document)
    {
        string[] lines = File.ReadAllLines(Repository.PathOf(document));
        bool inTable = false;
        for (int i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith('|')) inTable = false;
            else if (lines[i].StartsWith("|---", StringComparison.Ordinal)) inTable = true;
            else if (inTable)
                yield return (i + 1, [.. lines[i].Trim().Trim('|').Split(" | ").Select(cell => cell.Trim())]);
        }
    }

    private static IEnumerable<string> Quoted(string cell) =>
        InBackticks().Matches(cell).Select(match => match.Groups[1].Value);

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex InBackticks();

    [GeneratedRegex("[A-Za-z_][A-Za-z0-9_]*")]
    private static partial Regex Word();

    /// <summary>What the sources below <c>Tests</c> declare.</summary>
    private sealed partial class TestSources
    {
        private readonly HashSet<string> _files = [];
        private readonly HashSet<string> _classes = [];
        private readonly HashSet<string> _tests = [];

        public static TestSources Read()
        {
            var found = new TestSources();
            foreach (string file in Repository.Sources("Tests")) found.Add(file);
            return found;
        }

        /// <summary>A test's name alone or with its class's, a class of tests, or the end of a file's path.</summary>
        public bool Knows(string name) => _tests.Contains(name) || _classes.Contains(name)
            || (name.EndsWith(".cs", StringComparison.Ordinal)
                && _files.Any(file => file.EndsWith($"/{name}", StringComparison.Ordinal)));

        private void Add(string file)
        {
            _files.Add(Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'));
            string type = "";
            bool isTest = false;
            foreach (string line in File.ReadLines(file).Select(line => line.Trim()))
            {
                if (line.StartsWith("[Fact", StringComparison.Ordinal)
                    || line.StartsWith("[Theory", StringComparison.Ordinal)
                    || line.StartsWith("[HostsFact", StringComparison.Ordinal)
                    || line.StartsWith("[PostgresFact", StringComparison.Ordinal)
                    || line.StartsWith("[PostgresTheory", StringComparison.Ordinal)) isTest = true;
                if (TypeDeclaration().Match(line) is { Success: true } declared) type = declared.Groups[1].Value;
                if (!isTest || MethodDeclaration().Match(line) is not { Success: true } method) continue;
                isTest = false;
                _classes.Add(type);
                _tests.Add(method.Groups[1].Value);
                _tests.Add($"{type}.{method.Groups[1].Value}");
            }
        }

        [GeneratedRegex(@"^(?:public |internal |sealed |abstract |static |partial )*class (\w+)")]
        private static partial Regex TypeDeclaration();

        [GeneratedRegex(@"^public (?:async |static )*(?:void|Task) (\w+)\(")]
        private static partial Regex MethodDeclaration();
    }
}
