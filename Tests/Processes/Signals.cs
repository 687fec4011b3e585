using System.Runtime.InteropServices;

namespace Orleans.Raft.Processes;

/// <summary>What an operator sends to a process.</summary>
public static class Signals
{
    private const int TerminateSignal = 15;

    /// <summary>Sends SIGTERM.</summary>
    /// <returns>Whether there is such a process.</returns>
    public static bool Terminate(int processId) => Send(processId, TerminateSignal) == 0;

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Send(int process, int signal);
}
