using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Orleans.Raft.Hosts;

/// <summary>TAP devices, as <c>/dev/net/tun</c> makes them: what a namespace sends is read, what is written it
/// receives.</summary>
internal static partial class TapDevice
{
    private const string Clone = "/dev/net/tun";
    private const nuint SetInterface = 0x4004_54CA; // TUNSETIFF
    private const short TapWithoutHeader = 0x1002;  // IFF_TAP | IFF_NO_PI
    private const int RequestBytes = 40;            // struct ifreq
    private const int NameBytes = 16;

    /// <summary>Makes a device in a namespace; it goes when it is closed.</summary>
    /// <exception cref="NetworkException">It cannot be made.</exception>
    public static SafeFileHandle Open(string space, string name) => NetworkSpace.Run(space, () =>
    {
        SafeFileHandle device = File.OpenHandle(Clone, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        byte[] request = new byte[RequestBytes];
        Encoding.ASCII.GetBytes(name, request.AsSpan(0, NameBytes - 1));
        BitConverter.TryWriteBytes(request.AsSpan(NameBytes), TapWithoutHeader);
        if (Control(device, SetInterface, request) >= 0) return device;
        string reason = Marshal.GetLastPInvokeErrorMessage();
        device.Dispose();
        throw new IOException($"a TAP device {name} cannot be made: {reason}");
    });

    /// <summary>Waits for a frame.</summary>
    /// <returns>Its length; nothing or less if the device is gone.</returns>
    public static int Read(SafeFileHandle device, byte[] buffer) =>
        (int)ReadFrame(device, buffer, (nuint)buffer.Length);

    /// <summary>A frame that the device does not take, as while it is down, is lost.</summary>
    public static void Write(SafeFileHandle device, byte[] frame) => WriteFrame(device, frame, (nuint)frame.Length);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(SafeFileHandle device, nuint request, [In] byte[] argument);

    [LibraryImport("libc", EntryPoint = "read")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint ReadFrame(SafeFileHandle device, [Out] byte[] buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "write")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint WriteFrame(SafeFileHandle device, [In] byte[] buffer, nuint length);
}
