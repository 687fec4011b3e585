using System.Diagnostics;
using System.Globalization;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Chaos;

/// <summary>A child process that serves the store over its standard streams (<see cref="PipeServer"/>).</summary>
public sealed class StoreProcess : IDisposable
{
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(120);

    private readonly ShellProcess _process;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly Lock _lock = new();
    private readonly Dictionary<long, TaskCompletionSource<string[]>> _pending = [];
    private long _number;
    private bool _ended;

    private StoreProcess(ShellProcess process) => _process = process;

    public int Id => _process.Id;

    public bool IsRunning => _process.IsRunning;

    /// <summary>Starts the child and waits until it serves.</summary>
    public static async Task<StoreProcess> StartAsync(ProcessStartInfo start, string logFile)
    {
        var child = new StoreProcess(ShellProcess.Start(start, logFile));
        try
        {
            string? said = await child._process.ReadLineAsync(StartDeadline);
            if (said != PipeText.Ready)
                throw new InvalidOperationException($"The store's process said '{said}' instead of being ready; see "
                    + $"{logFile}. {child._process.Errors}");
        }
        catch
        {
            child.Dispose();
            throw;
        }
        _ = child.ReadAsync();
        return child;
    }

    /// <summary>Sends a request and returns the words of its reply.</summary>
    /// <exception cref="ChildGoneException">The child ended; the request may have been executed.</exception>
    public async Task<string[]> CallAsync(int client, string verb, params string[] words)
    {
        var reply = new TaskCompletionSource<string[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        long number;
        lock (_lock)
        {
            if (_ended) throw new ChildGoneException();
            number = ++_number;
            _pending[number] = reply;
        }
        string head = string.Create(CultureInfo.InvariantCulture, $"{number} {client} {verb}");
        string line = string.Join(' ', [head, .. words]);
        await _sending.WaitAsync();
        try
        {
            // If the child is gone, the reader ends the call.
            await _process.SendAsync(line);
        }
        finally
        {
            _sending.Release();
        }
        string[] answer = await reply.Task;
        string message = answer[0] == PipeText.Ok ? "" : PipeText.Text(answer[1]);
        return answer[0] switch
        {
            PipeText.Ok => answer[1..],
            PipeText.Unavailable => throw new UnavailableException(message),
            PipeText.Unknown => throw new OutcomeUnknownException(message),
            _ => throw new InvalidOperationException($"{verb} was refused: {message}"),
        };
    }

    /// <summary>Sends SIGKILL and waits for the end.</summary>
    public void Kill() => _process.Kill();

    public void Dispose()
    {
        _process.Dispose();
        _sending.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.ReadLineAsync(Timeout.InfiniteTimeSpan) is { } line)
        {
            string[] words = line.Split(' ');
            if (words[^1] != PipeText.End) break;
            TaskCompletionSource<string[]>? reply;
            lock (_lock) _pending.Remove(long.Parse(words[0], CultureInfo.InvariantCulture), out reply);
            reply!.SetResult(words[1..^1]);
        }
        TaskCompletionSource<string[]>[] left;
        lock (_lock)
        {
            _ended = true;
            left = [.. _pending.Values];
            _pending.Clear();
        }
        foreach (TaskCompletionSource<string[]> reply in left) reply.SetException(new ChildGoneException());
    }
}

/// <summary>The store's process ended before it answered.</summary>
public sealed class ChildGoneException() : Exception("The store's process ended before it answered.");
