using System.Diagnostics;

namespace Orleans.Raft.PostgreSql;

/// <summary>Where the server's programs are, and as whom they run: the server refuses to run as root.</summary>
internal static class PostgresBinaries
{
    /// <summary>Names a folder with <c>initdb</c> and <c>postgres</c>, before all others are looked at.</summary>
    public const string FolderVariable = "POSTGRES_BIN";

    public static readonly string? Folder = Candidates().FirstOrDefault(folder =>
        File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "postgres")));

    /// <summary>The ordinary user that stands in for root; null if this is one already.</summary>
    public static readonly string? User = Environment.UserName != "root" ? null
        : File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal))
            ? "postgres" : "nobody";

    /// <summary>A process of that user; nothing of it is started yet.</summary>
    public static ProcessStartInfo Command(string program, params IEnumerable<string> arguments)
    {
        string path = Path.Combine(Folder!, program);
        var start = new ProcessStartInfo(User is null ? path : "setpriv")
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        if (User is not null)
        {
            foreach (string argument in (string[])[$"--reuid={User}", $"--regid={GroupId()}", "--clear-groups", path])
                start.ArgumentList.Add(argument);
        }
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        return start;
    }

    /// <summary>Runs a program to its end; throws what it said if it fails.</summary>
    public static async Task<string> RunAsync(ProcessStartInfo start)
    {
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        await process.WaitForExitAsync(deadline.Token);
        if (process.ExitCode == 0) return await output;
        throw new InvalidOperationException($"{start.FileName} {string.Join(' ', start.ArgumentList)} ended with "
            + $"{process.ExitCode}: {await output}{await errors}");
    }

    /// <summary>Gives a folder to that user.</summary>
    public static async Task OwnAsync(string folder)
    {
        if (User is null) return;
        var start = new ProcessStartInfo("chown", [$"{User}:{GroupId()}", folder])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        await RunAsync(start);
    }

    private static string GroupId() => File.ReadLines("/etc/passwd")
        .Select(line => line.Split(':')).First(fields => fields[0] == User)[3];

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named) yield return named;
        foreach (string root in (string[])["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt", "/usr"])
        {
            if (!Directory.Exists(root)) continue;
            string pattern = root == "/usr" ? "pgsql-*"
                : root.StartsWith("/opt", StringComparison.Ordinal) ? "postgresql*" : "*";
            foreach (string version in Directory.GetDirectories(root, pattern).OrderDescending())
                yield return Path.Combine(version, "bin");
        }
        yield return "/usr/local/pgsql/bin";
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator))
            yield return folder;
    }
}
