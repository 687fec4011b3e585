using System.Diagnostics;

namespace Orleans.Raft.Processes;

/// <summary>
/// A child process that speaks the shell's plain form: one command per line in, its result out. It ends when its
/// standard input does, hence with this process, however that ends.
/// </summary>
public sealed class ShellProcess : IDisposable
{
    private readonly Process _process;
    private readonly StreamWriter _input;
    private readonly StreamReader _output;
    private readonly string? _logFile;
    private readonly Queue<string> _errors = new();
    private bool _disposed;

    private ShellProcess(Process process, string? logFile)
    {
        _process = process;
        // Those who send or read meanwhile may do so while this is disposed of.
        _input = process.StandardInput;
        _output = process.StandardOutput;
        _logFile = logFile;
    }

    /// <summary>Whether the child still runs.</summary>
    public bool IsRunning => !_disposed && !_process.HasExited;

    public int Id => _process.Id;

    /// <summary>The last lines the child wrote to standard error.</summary>
    public string Errors
    {
        get
        {
            lock (_errors) return string.Join(Environment.NewLine, _errors);
        }
    }

    /// <summary>Starts <c>dotnet ASSEMBLY ARGUMENTS</c> with all three standard streams connected here.</summary>
    public static ShellProcess Start(string assembly, IReadOnlyList<string> arguments) =>
        Start(ProgramFiles.Command(assembly, arguments), logFile: null);

    /// <param name="start">What to run.</param>
    /// <param name="logFile">Takes what the child writes to standard error; null: only the last lines are kept.</param>
    public static ShellProcess Start(ProcessStartInfo start, string? logFile)
    {
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        var child = new ShellProcess(Process.Start(start)
            ?? throw new InvalidOperationException($"{start.FileName} cannot be started."), logFile);
        child._process.ErrorDataReceived += (_, line) => child.NoteError(line.Data);
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Sends a command without waiting for its result. False if the child is gone.</summary>
    public async Task<bool> SendAsync(string command)
    {
        try
        {
            await _input.WriteLineAsync(command);
            await _input.FlushAsync();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>The next line of output; null if the child is gone and has said all.</summary>
    public async Task<string?> ReadLineAsync(TimeSpan deadline, CancellationToken cancellation = default)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(deadline);
        try
        {
            return await _output.ReadLineAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"The child said nothing for {deadline.TotalSeconds:F0} s. Its errors: "
                + $"{Errors}");
        }
    }

    /// <summary>Sends SIGKILL (on Windows: terminates) and waits for the end.</summary>
    public void Kill()
    {
        if (_disposed) return;
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (_disposed) return;
        Kill();
        _disposed = true;
        _process.Dispose();
    }

    private void NoteError(string? line)
    {
        if (line is null) return;
        lock (_errors)
        {
            if (_logFile is not null) File.AppendAllText(_logFile, line + Environment.NewLine);
            _errors.Enqueue(line);
            if (_errors.Count > 50) _errors.Dequeue();
        }
    }
}
