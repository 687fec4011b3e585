using System.Diagnostics;
using System.Globalization;

namespace Orleans.Raft.Processes;

/// <summary>
/// A process stopped by SIGSTOP. Disposing continues it; so does the end of this process, however it ends: a stopped
/// child could not see that its life line is gone, so a shell beside it sees that.
/// </summary>
public sealed class PausedProcess : IDisposable
{
    private const string Script =
        "trap '' INT TERM; kill -STOP $1 || exit 1; echo stopped; read line; kill -CONT $1 2>/dev/null; exit 0";

    private readonly Process _keeper;

    private PausedProcess(Process keeper) => _keeper = keeper;

    /// <summary>Why processes cannot be stopped here; null if they can.</summary>
    public static string? Obstacle => OperatingSystem.IsWindows() ? "Windows has no SIGSTOP" : null;

    public static PausedProcess Stop(int processId)
    {
        string[] arguments = ["-c", Script, "sh", processId.ToString(CultureInfo.InvariantCulture)];
        Process keeper = Process.Start(new ProcessStartInfo("sh", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        }) ?? throw new InvalidOperationException("sh cannot be started.");
        if (keeper.StandardOutput.ReadLine() == "stopped") return new PausedProcess(keeper);
        string reason = keeper.StandardError.ReadToEnd().Trim();
        keeper.Dispose();
        throw new InvalidOperationException($"Process {processId} cannot be stopped; it may have ended: {reason}");
    }

    /// <summary>Continues the process, if it still is there.</summary>
    public void Dispose()
    {
        _keeper.StandardInput.Close();
        _keeper.WaitForExit();
        _keeper.Dispose();
    }
}
