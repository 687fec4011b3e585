using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Orleans.Raft.Processes;

/// <summary>
/// A small disk in memory, mounted in a namespace of its own, so that it needs no privilege where user namespaces are
/// allowed, and goes with the last process that is in there. A holder, which ends with this process, keeps it until
/// then.
/// </summary>
public sealed class SmallDisk : IDisposable
{
    private const int ChunkBytes = 256 << 10;
    private const string Ballast = "ballast";
    private const string Script =
        "trap '' INT TERM; mount -t tmpfs -o size=$2,mode=700 tmpfs \"$1\" && echo mounted && exec cat";

    private readonly Process _holder;
    private readonly string _directory;

    private SmallDisk(Process holder, string directory)
    {
        _holder = holder;
        _directory = directory;
    }

    /// <summary>What a process inside starts with: enters the namespace, then runs the command that follows.</summary>
    public IReadOnlyList<string> Entrance =>
    [
        "nsenter", "--target", _holder.Id.ToString(CultureInfo.InvariantCulture), "--user", "--mount",
        "--preserve-credentials",
    ];

    /// <summary>The mounted directory as seen from outside.</summary>
    private string Outside => $"/proc/{_holder.Id}/root{_directory}";

    /// <summary>Mounts a disk over an empty directory; null if that is not permitted here.</summary>
    /// <param name="reason">Why not.</param>
    public static SmallDisk? TryMount(string directory, long bytes, out string? reason)
    {
        reason = null;
        if (!OperatingSystem.IsLinux())
        {
            reason = "only Linux has mount namespaces";
            return null;
        }
        Process holder;
        try
        {
            string[] arguments = ["--user", "--map-root-user", "--mount", "sh", "-c", Script, "sh", directory,
                bytes.ToString(CultureInfo.InvariantCulture)];
            holder = Process.Start(new ProcessStartInfo("unshare", arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (Win32Exception failure)
        {
            reason = $"unshare cannot be started: {failure.Message}";
            return null;
        }
        if (holder.StandardOutput.ReadLine() == "mounted") return new SmallDisk(holder, directory);
        reason = holder.StandardError.ReadToEnd().Trim().ReplaceLineEndings("; ");
        holder.WaitForExit();
        holder.Dispose();
        return null;
    }

    /// <summary>Makes a directory on the disk.</summary>
    public void MakeDirectory(string name) => Directory.CreateDirectory(Path.Combine(Outside, name));

    /// <summary>Leaves no room on the disk; called again, takes what has become free since.</summary>
    public void Fill()
    {
        byte[] chunk = new byte[ChunkBytes];
        using var ballast = new FileStream(Path.Combine(Outside, Ballast), FileMode.Append, FileAccess.Write,
            FileShare.None, bufferSize: 0);
        for (int length = chunk.Length; length > 0; length /= 2)
        {
            while (TryWrite(ballast, chunk.AsSpan(0, length)))
            {
            }
        }
    }

    /// <summary>Gives back what <see cref="Fill"/> took.</summary>
    public void Free() => File.Delete(Path.Combine(Outside, Ballast));

    public void Dispose()
    {
        if (!_holder.HasExited) _holder.Kill();
        _holder.WaitForExit();
        _holder.Dispose();
    }

    private static bool TryWrite(FileStream file, ReadOnlySpan<byte> bytes)
    {
        const int NoSpace = 28; // ENOSPC
        try
        {
            file.Write(bytes);
            return true;
        }
        catch (IOException full) when (full.HResult == NoSpace)
        {
            return false;
        }
    }
}
