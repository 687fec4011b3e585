namespace Orleans.Raft.Architecture.Tests;

/// <summary>The sources these tests look at.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string PathOf(string relative) => Path.Combine(Root, relative);

    /// <summary>All C# sources below a folder, without what builds leave there.</summary>
    public static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(PathOf(folder), "*.cs", SearchOption.AllDirectories).Where(file => !IsBuilt(file));

    /// <summary>The folders of projects that are not tests.</summary>
    public static IEnumerable<string> ProjectFolders() => Directory.GetDirectories(Root)
        .Where(directory => Directory.EnumerateFiles(directory, "*.csproj").Any())
        .Select(directory => Path.GetFileName(directory)!);

    private static bool IsBuilt(string file)
    {
        string[] parts = Path.GetRelativePath(Root, file).Split(Path.DirectorySeparatorChar);
        return parts.Contains("obj") || parts.Contains("bin");
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "Directory.Packages.props"))) return at.FullName;
        throw new DirectoryNotFoundException("The repository's root was not found above the tests' own directory.");
    }
}
