using System.Text;

namespace Orleans.Raft.Shell;

/// <summary>Prompts, runs, and lets Ctrl-C stop the running command but not the shell.</summary>
internal sealed class InteractiveLoop(CommandRunner runner, ILineSource lines, ShellOptions options)
{
    private CancellationTokenSource? _running;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        Console.CancelKeyPress += StopCommand;
        try
        {
            while (!runner.ExitRequested)
            {
                // Keys are waited for on a thread of their own, so that a request to end the process is heard.
                string? line = await Task.Run(() => lines.ReadLine(options.Prompt), cancellationToken).WaitAsync(
                    cancellationToken);
                if (line is null) break;
                await RunLineAsync(line, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Asked to end: what was run is complete.
        }
        finally
        {
            Console.CancelKeyPress -= StopCommand;
        }
        return runner.ExitCode;
    }

    private async Task RunLineAsync(string line, CancellationToken cancellationToken)
    {
        using var running = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Volatile.Write(ref _running, running);
        try
        {
            await runner.RunAsync(where: null, () => Lexer.Split(Encoding.UTF8.GetBytes(line)), running.Token);
        }
        finally
        {
            Volatile.Write(ref _running, null);
        }
    }

    private void StopCommand(object? sender, ConsoleCancelEventArgs arguments)
    {
        if (Volatile.Read(ref _running) is not { } running) return;
        arguments.Cancel = true;
        try
        {
            running.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The command ended at this very moment: there is nothing left to stop.
        }
    }
}
