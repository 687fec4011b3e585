using System.Diagnostics;
using Orleans.Raft.PostgreSql;

namespace Orleans.Raft.Storage.PostgreSql.Tests;

/// <summary>Skipped where no server, or no file system, can be made.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SmallDiskFactAttribute : PostgresFactAttribute
{
    public SmallDiskFactAttribute()
    {
        if (!SmallFileSystem.IsAvailable) Skip ??= "A small file system cannot be mounted by this user.";
    }
}

/// <summary>A file system in memory that is soon full.</summary>
internal static class SmallFileSystem
{
    public static Task MountAsync(string folder, string size) =>
        RunAsync("mount", "-t", "tmpfs", "-o", $"size={size},mode=0777", "tmpfs", folder);

    public static Task UnmountAsync(string folder) => RunAsync("umount", folder);

    /// <summary>Whether this process may mount one.</summary>
    public static bool IsAvailable { get; } = TryMount();

    private static bool TryMount()
    {
        if (Environment.UserName != "root") return false;
        string folder = Directory.CreateTempSubdirectory("orleans-raft-mount-").FullName;
        try
        {
            MountAsync(folder, "1m").GetAwaiter().GetResult();
            UnmountAsync(folder).GetAwaiter().GetResult();
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
        finally
        {
            Directory.Delete(folder);
        }
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program}: {errors}");
    }
}
