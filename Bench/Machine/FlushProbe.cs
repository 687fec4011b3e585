using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Bench;

/// <summary>How long the disk takes to make 4 KiB durable, without anything of ours in between.</summary>
internal static partial class FlushProbe
{
    private const int BlockBytes = 4096;
    private const int FileBytes = 16 << 20;

    /// <summary>Writes and flushes until the time is over, one thread per file, each its own file, block after
    /// block.</summary>
    /// <param name="directory">On the disk to measure. The files are removed afterwards.</param>
    /// <returns>The duration of one write and its flush, over all files.</returns>
    /// <exception cref="IOException">The disk refused.</exception>
    public static LatencyHistogram Run(string directory, int files, TimeSpan duration)
    {
        Directory.CreateDirectory(directory);
        var paths = new string[files];
        for (int file = 0; file < files; file++) paths[file] = Path.Combine(directory, $"flush-probe-{file}");
        try
        {
            foreach (string path in paths) Preallocate(path);
            return RunAll(paths, duration);
        }
        finally
        {
            foreach (string path in paths) File.Delete(path);
        }
    }

    private static LatencyHistogram RunAll(string[] paths, TimeSpan duration)
    {
        SafeFileHandle[] handles =
            [.. paths.Select(path => File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))];
        try
        {
            // Threads, not pool work: the calls block, and all must run at once.
            Task<LatencyHistogram>[] runs = [.. handles.Select(handle => Task.Factory.StartNew(
                () => RunOne(handle, duration), CancellationToken.None, TaskCreationOptions.LongRunning,
                TaskScheduler.Default))];
            Task.WaitAll(runs);
            var all = new LatencyHistogram();
            foreach (Task<LatencyHistogram> run in runs) all.Merge(run.Result);
            return all;
        }
        finally
        {
            foreach (SafeFileHandle handle in handles) handle.Dispose();
        }
    }

    private static LatencyHistogram RunOne(SafeFileHandle file, TimeSpan duration)
    {
        var histogram = new LatencyHistogram();
        byte[] block = new byte[BlockBytes];
        long began = Stopwatch.GetTimestamp();
        for (long offset = 0; Stopwatch.GetElapsedTime(began) < duration; offset = (offset + BlockBytes) % FileBytes)
        {
            Random.Shared.NextBytes(block);
            long start = Stopwatch.GetTimestamp();
            RandomAccess.Write(file, block, offset);
            Flush(file);
            histogram.RecordNanoseconds((long)Stopwatch.GetElapsedTime(start).TotalNanoseconds);
        }
        return histogram;
    }

    /// <summary>Zero-fills: a file whose blocks are only reserved needs its metadata flushed with the first
    /// write.</summary>
    private static void Preallocate(string path)
    {
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite);
        RandomAccess.Write(file, new byte[FileBytes], 0);
        RandomAccess.FlushToDisk(file);
    }

    private static void Flush(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux()) RandomAccess.FlushToDisk(file);
        else if (fdatasync(file) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), "fdatasync failed");
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int fdatasync(SafeFileHandle file);
}
