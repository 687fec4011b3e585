using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Orleans.Raft.Storage;

/// <summary>What the BCL cannot do: flush a directory, flush data without needless metadata, insist on a
/// lock.</summary>
internal static partial class UnixSystemCalls
{
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private static readonly int CloseOnExec = OperatingSystem.IsMacOS() ? 0x1000000 : 0x80000;

    /// <summary>Flushes a file's bytes and as much metadata as reading them needs. Linux only.</summary>
    public static void FlushData(SafeFileHandle file, string path)
    {
        if (fdatasync((int)file.DangerousGetHandle()) != 0)
            throw DiskErrors.FromSystemCall(Marshal.GetLastPInvokeError(), "flush", path);
    }

    /// <summary>Makes creations, renames and deletions in a directory durable.</summary>
    public static void FlushDirectory(string fullPath, string path)
    {
        int descriptor = open(fullPath, CloseOnExec);
        if (descriptor < 0)
            throw DiskErrors.FromSystemCall(Marshal.GetLastPInvokeError(), "open the directory", path);
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (fsync(descriptor) != 0)
            throw DiskErrors.FromSystemCall(Marshal.GetLastPInvokeError(), "flush the directory", path);
    }

    /// <summary>Whether the open file is now locked against every other handle, of this process too.</summary>
    public static bool TryLock(SafeFileHandle file) =>
        flock((int)file.DangerousGetHandle(), LockExclusive | LockNonBlocking) == 0;

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int fsync(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int fdatasync(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int flock(int descriptor, int operation);
}
