using System.Diagnostics;
using System.Globalization;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Chaos;

/// <summary>A child process that serves the store over its standard streams (<see cref="PipeServer"/>).</summary>
public sealed class StoreProcess : IDisposable
{
    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(120);

    private static readonly TimeSpan UsualCallLimit = TimeSpan.FromSeconds(60);

    private readonly ShellProcess _process;
    private readonly TimeSpan _callLimit;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly Lock _lock = new();
    private readonly Dictionary<long, TaskCompletionSource<string[]>> _pending = [];
    private long _number;
    private bool _ended;

    private StoreProcess(ShellProcess process, TimeSpan callLimit)
    {
        _process = process;
        _callLimit = callLimit;
    }

    public int Id => _process.Id;

    public bool IsRunning => _process.IsRunning;

    /// <summary>Starts the child and waits until it serves.</summary>
    /// <param name="callLimit">How long a call may take; null: far longer than a client of the store waits.</param>
    public static async Task<StoreProcess> StartAsync(ProcessStartInfo start, string logFile,
        CancellationToken cancellation, TimeSpan? callLimit = null)
    {
        var child = new StoreProcess(ShellProcess.Start(start, logFile), callLimit ?? UsualCallLimit);
        try
        {
            string? said = await child._process.ReadLineAsync(StartDeadline, cancellation);
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
    /// <exception cref="ChaosException">The child does not answer.</exception>
    public async Task<string[]> CallAsync(int client, string verb, params string[] words)
    {
        string[] answer;
        try
        {
            answer = await ExchangeAsync(client, verb, words).WaitAsync(_callLimit);
        }
        catch (TimeoutException late)
        {
            string who = string.Create(CultureInfo.InvariantCulture, $"{verb} of client {client}");
            throw new ChaosException($"The store's process did not answer {who} within {_callLimit.TotalSeconds:F0} s",
                late);
        }
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

    /// <summary>Kills it; calls under way end.</summary>
    public void Dispose() => _process.Dispose();

    private async Task<string[]> ExchangeAsync(int client, string verb, string[] words)
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
        return await reply.Task;
    }

    private async Task ReadAsync()
    {
        try
        {
            while (await _process.ReadLineAsync(Timeout.InfiniteTimeSpan) is { } line)
            {
                string[] words = line.Split(' ');
                if (words[^1] != PipeText.End) break;
                TaskCompletionSource<string[]>? reply;
                lock (_lock) _pending.Remove(long.Parse(words[0], CultureInfo.InvariantCulture), out reply);
                reply!.SetResult(words[1..^1]);
            }
        }
        finally
        {
            // Whatever it is that ends the reading, nobody waits for an answer any more.
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
}

/// <summary>The store's process ended before it answered.</summary>
public sealed class ChildGoneException() : Exception("The store's process ended before it answered.");
