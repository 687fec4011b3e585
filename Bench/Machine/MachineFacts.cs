using System.Runtime.InteropServices;

namespace Orleans.Raft.Bench;

/// <summary>What a reader needs to know about the machine to compare figures.</summary>
internal static class MachineFacts
{
    public static string Describe(string directory) =>
        $"{Environment.ProcessorCount} processors ({ProcessorName()}), {Memory() >> 30} GiB, "
            + $"{RuntimeInformation.OSDescription}, " +
        $".NET {Environment.Version}, data on {FileSystem(directory)}";

    /// <summary>A line of /proc/self/status, in bytes; null where there is none.</summary>
    /// <param name="name"><c>VmRSS</c> is what is resident, <c>VmHWM</c> the most that ever was.</param>
    public static long? StatusBytes(string name)
    {
        if (!OperatingSystem.IsLinux()) return null;
        string? line = File.ReadLines("/proc/self/status")
            .FirstOrDefault(line => line.StartsWith(name + ":", StringComparison.Ordinal));
        return line is null ? null : long.Parse(
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^2]) << 10;
    }

    private static string ProcessorName()
    {
        if (!OperatingSystem.IsLinux()) return RuntimeInformation.ProcessArchitecture.ToString();
        string? line = File.ReadLines("/proc/cpuinfo")
            .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
        return line?[(line.IndexOf(':') + 1)..].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static long Memory() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    private static string FileSystem(string directory)
    {
        string full = Path.GetFullPath(directory);
        DriveInfo? drive = DriveInfo.GetDrives()
            .Where(drive => full.StartsWith(drive.Name, StringComparison.Ordinal))
            .MaxBy(drive => drive.Name.Length);
        return drive is null ? "an unknown file system" : drive.DriveFormat;
    }
}
