using System.Diagnostics;

namespace Orleans.Raft.Processes;

/// <summary>One silo as a child process.</summary>
public sealed class SiloProcess : IDisposable
{
    private static readonly TimeSpan EndDeadline = TimeSpan.FromSeconds(60);

    private readonly Process _process;

    private SiloProcess(Process process, string name, Task ready)
    {
        _process = process;
        Name = name;
        Ready = ready;
    }

    public string Name { get; }

    /// <summary>Completes when every group of the silo has a leader; fails if the silo ends before.</summary>
    public Task Ready { get; }

    public bool IsRunning => !_process.HasExited;

    public int Id => _process.Id;

    /// <summary>Starts a silo; what it writes to standard error goes to <paramref name="logFile"/>.</summary>
    public static SiloProcess Start(string name, ProcessStartInfo start, string logFile)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        LifeLine.Tie(start);
        Process process = Process.Start(start) ?? throw new InvalidOperationException($"{name} cannot be started.");
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null) ready.TrySetException(new InvalidOperationException($"{name} ended before it was "
                + $"ready; see {logFile}."));
            else if (line.Data.StartsWith($"ready {name}", StringComparison.Ordinal)) ready.TrySetResult();
        };
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is not null) File.AppendAllText(logFile, line.Data + Environment.NewLine);
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return new SiloProcess(process, name, ready.Task);
    }

    /// <summary>Sends SIGTERM and waits for the end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> TerminateAsync()
    {
        if (!Signals.Terminate(_process.Id)) throw new InvalidOperationException($"{Name} has ended already.");
        using var deadline = new CancellationTokenSource(EndDeadline);
        await _process.WaitForExitAsync(deadline.Token);
        return _process.ExitCode;
    }

    /// <summary>Sends SIGKILL (on Windows: terminates) and waits for the end.</summary>
    public void Kill()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }
}
