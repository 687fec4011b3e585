namespace Orleans.Raft.Ledger;

/// <summary>The store under test, in processes that can be killed.</summary>
public interface ILedgerHost : IAsyncDisposable
{
    /// <summary>Starts whatever is not running and returns a shell connected to it.</summary>
    Task<ShellProcess> StartAsync();

    /// <summary>Kills without warning.</summary>
    Task KillAsync(LedgerBook book);

    /// <summary>Whether the shell dies with the store, so that a new one is needed.</summary>
    bool ShellDiesToo { get; }
}

/// <summary>
/// Writes without pause while the store is killed again and again, and remembers each acknowledgement; at the end every
/// key is read back. A write that was never acknowledged may be there or not.
/// </summary>
public sealed class LedgerRun(ILedgerHost host, LedgerBook book, int kills, int acknowledgements, Action<string> report)
{
    private const int Window = 64;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public async Task<LedgerResult> RunAsync()
    {
        ShellProcess shell = await host.StartAsync();
        int perLife = Math.Max(1, acknowledgements / (kills + 1));
        for (int kill = 1; kill <= kills; kill++)
        {
            int target = book.Acknowledged + perLife;
            await WriteUntilAsync(shell, () => book.Acknowledged >= target, killAfter: book.Draw(1, Window));
            report($"kill {kill} of {kills}: {book.Acknowledged} acknowledged, {book.Written} written");
            if (!host.ShellDiesToo && shell.IsRunning) continue;
            shell.Dispose();
            shell = await host.StartAsync();
        }
        await WriteUntilAsync(shell, () => book.Acknowledged >= acknowledgements, killAfter: 0);
        LedgerResult result = await ReadBackAsync(shell);
        shell.Dispose();
        return result;
    }

    /// <summary>Keeps a window of writes on their way; with <paramref name="killAfter"/>, kills that many answers after
    /// the condition is met.</summary>
    private async Task WriteUntilAsync(ShellProcess shell, Func<bool> enough, int killAfter)
    {
        var waiting = new Queue<int>();
        bool alive = true, killed = false;
        while (true)
        {
            while (alive && !enough() && waiting.Count < Window || alive && killAfter > 0 && waiting.Count < Window
                && !killed)
            {
                int write = book.Next();
                alive = await shell.SendAsync($"put {LedgerBook.KeyOf(write)} {book.ValueOf(write)}");
                waiting.Enqueue(write);
            }
            if (enough() && killAfter > 0 && --killAfter == 0)
            {
                await host.KillAsync(book);
                killed = true;
                if (host.ShellDiesToo) alive = false;
                // The shell lives on: what it has under way ends as soon as there is somebody to end it.
                else await host.StartAsync();
            }
            if (waiting.Count == 0 && (enough() || !alive)) return;
            if (waiting.Count == 0) continue;
            string? line = await shell.ReadLineAsync(Deadline);
            if (line is null) return;
            int answered = waiting.Dequeue();
            if (line == "OK") book.Acknowledge(answered);
            else if (!line.StartsWith("ERR ", StringComparison.Ordinal))
                throw new InvalidDataException($"put answered '{line}'");
        }
    }

    private async Task<LedgerResult> ReadBackAsync(ShellProcess shell)
    {
        var lost = new List<string>();
        int extra = 0;
        int asked = 0;
        for (int write = 0; write < book.Written; write++)
        {
            for (; asked < Math.Min(book.Written, write + Window); asked++)
                await shell.SendAsync($"get {LedgerBook.KeyOf(asked)}");
            string? value = await shell.ReadLineAsync(Deadline)
                ?? throw new InvalidDataException($"The shell ended while reading back. Its errors: {shell.Errors}");
            bool matches = value == book.ValueOf(write);
            if (book.IsAcknowledged(write) && !matches)
                lost.Add($"{LedgerBook.KeyOf(write)}: expected {book.ValueOf(write)}, found {value}");
            else if (!book.IsAcknowledged(write) && matches) extra++;
            else if (!matches && value != "(nil)") lost.Add($"{LedgerBook.KeyOf(write)}: never written so: {value}");
        }
        return new LedgerResult(kills, book.Written, book.Acknowledged, extra, lost);
    }
}
