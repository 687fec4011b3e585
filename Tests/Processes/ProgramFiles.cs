using System.Diagnostics;

namespace Orleans.Raft.Processes;

/// <summary>Where our programs are, and how they are started.</summary>
public static class ProgramFiles
{
    /// <summary>The folder of the repository that this was built in; null if it runs elsewhere.</summary>
    public static string? Repository
    {
        get
        {
            DirectoryInfo? root = new(AppContext.BaseDirectory);
            while (root is not null && !File.Exists(Path.Combine(root.FullName, "Orleans.Raft.sln"))) root = root.Parent;
            return root?.FullName;
        }
    }

    /// <summary>The assembly of a program: built in the same configuration, or beside this one. What is beside this one
    /// may lack what this one has by its framework, and the program has not by its own.</summary>
    /// <param name="project">Such as <c>Silo</c>.</param>
    /// <exception cref="FileNotFoundException">It is not built.</exception>
    public static string Find(string project)
    {
        string file = $"Orleans.Raft.{project}.dll";
        string bin = Path.DirectorySeparatorChar + "bin" + Path.DirectorySeparatorChar;
        int at = AppContext.BaseDirectory.LastIndexOf(bin, StringComparison.Ordinal);
        if (at >= 0 && Repository is { } root)
        {
            string output = AppContext.BaseDirectory[(at + 1)..];
            foreach (string folder in new[] { project, Path.Combine("Tests", project) })
            {
                string built = Path.Combine(root, folder, output, file);
                if (File.Exists(built)) return built;
            }
        }
        string beside = Path.Combine(AppContext.BaseDirectory, file);
        // A build copies the one without the other for a program that it is told to build and not to refer to.
        if (File.Exists(beside) && File.Exists(Path.ChangeExtension(beside, ".runtimeconfig.json"))) return beside;
        throw new FileNotFoundException($"{file} is neither in {AppContext.BaseDirectory} nor built in the same "
            + "configuration; run: dotnet build Orleans.Raft.sln -c Release");
    }

    /// <summary><c>dotnet ASSEMBLY ARGUMENTS</c>.</summary>
    /// <param name="entrance">A command that goes where the program is to run, and runs it there; null: here.</param>
    public static ProcessStartInfo Command(string assembly, IEnumerable<string> arguments,
        IReadOnlyList<string>? entrance = null)
    {
        string[] command = [.. entrance ?? [], "dotnet", assembly, .. arguments];
        return new ProcessStartInfo(command[0], command[1..]);
    }
}
