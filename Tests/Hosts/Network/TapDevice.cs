using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Orleans.Raft.Hosts;

/// <summary>TAP devices, as <c>/dev/net/tun</c> makes them: what a namespace sends is read, what is written it
/// receives.</summary>
internal static partial class TapDevice
{
    private const string Clone = "/dev/net/tun";
    private const int NetworkNamespace = 0x4000_0000;  // CLONE_NEWNET
    private const nuint SetInterface = 0x4004_54CA;     // TUNSETIFF
    private const short TapWithoutHeader = 0x1002;      // IFF_TAP | IFF_NO_PI
    private const int RequestBytes = 40;                // struct ifreq
    private const int NameBytes = 16;

    /// <summary>Makes a device in a namespace; it goes when it is closed.</summary>
    /// <exception cref="NetworkException">It cannot be made.</exception>
    public static SafeFileHandle Open(string space, string name)
    {
        SafeFileHandle? device = null;
        Exception? failure = null;
        // Only a thread goes into a namespace, and this one does not come back.
        var thread = new Thread(() =>
        {
            try
            {
                using SafeFileHandle target = File.OpenHandle($"/run/netns/{space}", share: FileShare.ReadWrite);
                Check(EnterNamespace(target, NetworkNamespace), "setns");
                device = File.OpenHandle(Clone, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
                byte[] request = new byte[RequestBytes];
                Encoding.ASCII.GetBytes(name, request.AsSpan(0, NameBytes - 1));
                BitConverter.TryWriteBytes(request.AsSpan(NameBytes), TapWithoutHeader);
                Check(Control(device, SetInterface, request), "TUNSETIFF");
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
        if (failure is null) return device!;
        device?.Dispose();
        throw new NetworkException($"a TAP device {name} cannot be made in {space}: {failure.Message}", failure);
    }

    /// <returns>The length of a frame.</returns>
    public static int Read(SafeFileHandle device, byte[] buffer) => RandomAccess.Read(device, buffer, fileOffset: 0);

    /// <summary>A frame that the device does not take, as while it is down, is lost.</summary>
    public static void Write(SafeFileHandle device, byte[] frame)
    {
        try
        {
            RandomAccess.Write(device, frame, fileOffset: 0);
        }
        catch (IOException)
        {
            // Lost.
        }
    }

    private static void Check(int result, string what)
    {
        if (result < 0) throw new IOException($"{what}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int EnterNamespace(SafeFileHandle space, int kind);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(SafeFileHandle device, nuint request, [In] byte[] argument);
}
