using System.Runtime.InteropServices;

namespace Orleans.Raft.Storage;

/// <summary>Turns what the system reports into a <see cref="DiskException"/> that says what to do.</summary>
internal static class DiskErrors
{
    private const int WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsSharingViolation = unchecked((int)0x80070020);
    private const int PermissionDenied = 13;
    private const int NotPermitted = 1;
    private const int ReadOnlyFileSystem = 30;
    private const int NotFound = 2;
    private const int NoSpace = 28;
    private static readonly int QuotaExceeded = OperatingSystem.IsMacOS() ? 69 : 122;
    private static readonly int WouldBlock = OperatingSystem.IsMacOS() ? 35 : 11;

    public static DiskException From(Exception exception, string operation, string path)
    {
        DiskFailure failure = exception switch
        {
            UnauthorizedAccessException => DiskFailure.PermissionDenied,
            FileNotFoundException or DirectoryNotFoundException => DiskFailure.NotFound,
            IOException io => FromCode(io.HResult),
            _ => DiskFailure.Io,
        };
        return Describe(failure, operation, path, exception.Message, exception);
    }

    public static DiskException FromSystemCall(int error, string operation, string path) =>
        Describe(FromCode(error), operation, path, Marshal.GetPInvokeErrorMessage(error), null);

    public static DiskException Describe(
        DiskFailure failure, string operation, string path, string reason, Exception? inner)
    {
        string advice = failure switch
        {
            DiskFailure.Full =>
                "The disk or quota is full: free space or enlarge it; if the node stopped, start it again.",
            DiskFailure.PermissionDenied =>
                "Give the account that runs this program read and write access there, then start the node again.",
            DiskFailure.NotFound => "Check that the disk is mounted and the data directory is the right one.",
            DiskFailure.InUse => "Another process uses this data directory: stop it, or choose another directory.",
            _ => "Check the disk and the system's log for device errors before starting the node again.",
        };
        return new DiskException(failure, path, $"Cannot {operation} {path}: {reason.TrimEnd('.')}. {advice}", inner);
    }

    private static DiskFailure FromCode(int code)
    {
        if (OperatingSystem.IsWindows())
        {
            return code switch
            {
                WindowsDiskFull => DiskFailure.Full,
                WindowsSharingViolation => DiskFailure.InUse,
                _ => DiskFailure.Io,
            };
        }
        if (code == QuotaExceeded) return DiskFailure.Full;
        if (code == WouldBlock) return DiskFailure.InUse;
        return code switch
        {
            NoSpace => DiskFailure.Full,
            PermissionDenied or NotPermitted or ReadOnlyFileSystem => DiskFailure.PermissionDenied,
            NotFound => DiskFailure.NotFound,
            _ => DiskFailure.Io,
        };
    }
}
