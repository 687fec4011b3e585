using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Orleans.Raft.Hosts;

/// <summary>Does things inside a network namespace: sockets and devices that are opened there belong to it.</summary>
internal static partial class NetworkSpace
{
    private const int Network = 0x4000_0000; // CLONE_NEWNET

    /// <summary>Runs work on a thread that goes into the namespace and does not come back.</summary>
    /// <exception cref="NetworkException">It failed.</exception>
    public static T Run<T>(string name, Func<T> work)
    {
        T result = default!;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                using SafeFileHandle target = File.OpenHandle($"/run/netns/{name}", share: FileShare.ReadWrite);
                if (Enter(target, Network) < 0) throw new IOException($"setns: {Marshal.GetLastPInvokeErrorMessage()}");
                result = work();
            }
#pragma warning disable CA1031 // Whatever it is, the thread that waits tells it.
            catch (Exception problem)
#pragma warning restore CA1031
            {
                failure = problem;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null) throw new NetworkException($"in namespace {name}: {failure.Message}", failure);
        return result;
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Enter(SafeFileHandle space, int kind);
}
