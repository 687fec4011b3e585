using System.Runtime.InteropServices;

namespace Orleans.Raft.Silo;

/// <summary>SIGTERM and SIGINT: the first asks for an orderly end, the second is one at once.</summary>
internal sealed class StopSignals : IDisposable
{
    /// <summary>The exit code of a silo that had no time for an orderly end.</summary>
    public const int EndedAtOnce = 1;

    /// <summary>Some send a signal to a process and to its group: what comes sooner after the first is the first
    /// again.</summary>
    private static readonly TimeSpan Echo = TimeSpan.FromSeconds(1);

    private static int s_isEnding;

    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] _registrations;
    private long _firstAt;

    public StopSignals()
    {
        _registrations = [.. new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT }
            .Select(signal => PosixSignalRegistration.Create(signal, Take))];
    }

    /// <summary>Completes at the first.</summary>
    public Task First => _first.Task;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
    }

    /// <summary>Ends the process as it is: what was acknowledged is on the disk. Once: who comes later returns.</summary>
    public static void EndAtOnce(string reason)
    {
        if (Interlocked.Exchange(ref s_isEnding, 1) != 0) return;
        Console.Error.WriteLine($"ERR Stop: {reason}; ended at once. Nothing acknowledged is lost.");
        Environment.Exit(EndedAtOnce);
    }

    private void Take(PosixSignalContext context)
    {
        context.Cancel = true;
        long now = TimeProvider.System.GetTimestamp();
        if (Interlocked.CompareExchange(ref _firstAt, now, 0) is 0) _first.TrySetResult();
        else if (TimeProvider.System.GetElapsedTime(Interlocked.Read(ref _firstAt), now) > Echo)
            EndAtOnce("a second signal came");
    }
}

/// <summary>Leaves signals to <see cref="StopSignals"/>: the host's own would stop the silo before it has handed
/// over.</summary>
internal sealed class SilentLifetime : Microsoft.Extensions.Hosting.IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
