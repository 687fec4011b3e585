using System.Diagnostics;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>One of our programs as its user starts it.</summary>
internal sealed class ProgramProcess : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly Task<string> _errors;

    private ProgramProcess(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <param name="project">Silo or Client.</param>
    public static ProgramProcess Start(string project, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(ProgramFiles.Find(project));
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        // No program outlives tests that are ended by force; neither reads its input when it is given a command.
        LifeLine.Tie(start);
        return new ProgramProcess(Process.Start(start)
            ?? throw new InvalidOperationException("dotnet cannot be started."));
    }

    /// <summary>Runs a program to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string project,
        params string[] arguments)
    {
        using ProgramProcess program = Start(project, arguments);
        return await program.EndAsync();
    }

    /// <summary>The next line of output; fails if the program ends or is silent for too long.</summary>
    public async Task<string> ReadLineAsync() => await _process.StandardOutput.ReadLineAsync().WaitAsync(Deadline)
        ?? throw new InvalidOperationException($"The program ended: {await _errors}");

    public async Task<(int ExitCode, string Output, string Errors)> EndAsync()
    {
        string output = await _process.StandardOutput.ReadToEndAsync().WaitAsync(Deadline);
        string errors = await _errors.WaitAsync(Deadline);
        await _process.WaitForExitAsync().WaitAsync(Deadline);
        return (_process.ExitCode, output, errors);
    }

    public bool HasEnded => _process.HasExited;

    /// <summary>Sends SIGTERM, if it has not ended yet.</summary>
    public void Terminate() => Signals.Terminate(_process.Id);

    /// <summary>Ends it at once, as SIGKILL does.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }
}
