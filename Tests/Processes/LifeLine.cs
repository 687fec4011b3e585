using System.Diagnostics;

namespace Orleans.Raft.Processes
{
    /// <summary>Ties a child process to this one: however this one ends, also by a kill, the child ends too.</summary>
    public static class LifeLine
    {
        /// <summary>
        /// Makes a .NET child hold on to its standard input, which must stay open here and unused there: the runtime
        /// loads this assembly as a startup hook, which ends the child when the input does.
        /// </summary>
        public static void Tie(ProcessStartInfo start)
        {
            start.RedirectStandardInput = true;
            start.Environment["DOTNET_STARTUP_HOOKS"] = typeof(LifeLine).Assembly.Location;
        }
    }
}

/// <summary>What the runtime runs in a child before its own entry point; the names are its convention.</summary>
#pragma warning disable CA1050 // A startup hook has no namespace.
internal static class StartupHook
#pragma warning restore CA1050
{
    public static void Initialize() => new Thread(static () =>
    {
        using Stream input = Console.OpenStandardInput();
        while (input.ReadByte() >= 0)
        {
        }
        // The parent is gone: nobody waits for an orderly end.
        Process.GetCurrentProcess().Kill();
    })
    { IsBackground = true }.Start();
}
