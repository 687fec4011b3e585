using System.Diagnostics;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Ledger;

/// <summary>What remains of the store after a kill.</summary>
public enum KillReach
{
    /// <summary>The shell died with the store; both are started anew.</summary>
    StoreAndShell,

    /// <summary>The shell lives; nobody answers it before the store is started again.</summary>
    Store,

    /// <summary>The others go on without what was killed.</summary>
    Part,
}

/// <summary>The store under test, in processes that can be killed.</summary>
public interface ILedgerHost : IAsyncDisposable
{
    /// <summary>Starts whatever is not running and returns a shell connected to it.</summary>
    Task<ShellProcess> StartAsync();

    /// <summary>Kills without warning.</summary>
    Task KillAsync(LedgerBook book);

    KillReach Reach { get; }
}

/// <summary>
/// Writes without pause while the store is killed again and again, and remembers each acknowledgement; at the end every
/// key is read back. A write that was never acknowledged may be there or not. After each kill it measures how long it
/// takes until every group has acknowledged a write that was sent after the kill.
/// </summary>
public sealed class LedgerRun(ILedgerHost host, LedgerBook book, int kills, int acknowledgements, Action<string> report)
{
    private const int Window = 64;
    private static readonly TimeSpan AnswerDeadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RecoveryDeadline = TimeSpan.FromSeconds(30);

    private readonly Queue<int> _underWay = new();
    private readonly HashSet<char> _recovered = [];
    private readonly List<TimeSpan> _recoveries = [];
    private int _firstAfterKill;

    public async Task<LedgerResult> RunAsync()
    {
        ShellProcess shell = await host.StartAsync();
        int perLife = Math.Max(1, acknowledgements / (kills + 1));
        for (int kill = 1; kill <= kills; kill++)
        {
            int target = book.Acknowledged + perLife;
            while (book.Acknowledged < target) await WriteAsync(shell);
            // Not always at the same place in the window.
            for (int more = book.Draw(1, Window); more > 0; more--) await WriteAsync(shell);
            await host.KillAsync(book);
            long killed = Stopwatch.GetTimestamp();
            shell = await RecoverAsync(shell);
            TimeSpan recovery = Stopwatch.GetElapsedTime(killed);
            _recoveries.Add(recovery);
            report($"time from kill {kill} of {kills} until all groups took writes again: "
                + $"{recovery.TotalMilliseconds:F0} ms; {book.Acknowledged} acknowledged, {book.Written} written");
            if (host.Reach == KillReach.Part) await host.StartAsync();
        }
        while (book.Acknowledged < acknowledgements) await WriteAsync(shell);
        while (_underWay.Count > 0) await AnswerAsync(shell);
        LedgerResult result = await ReadBackAsync(shell);
        shell.Dispose();
        return result;
    }

    /// <summary>Writes until every group has acknowledged a write sent after the kill.</summary>
    private async Task<ShellProcess> RecoverAsync(ShellProcess shell)
    {
        _recovered.Clear();
        _firstAfterKill = book.Written;
        if (host.Reach == KillReach.StoreAndShell)
        {
            // What the shell said before it died counts; what it did not say, nobody knows.
            while (_underWay.Count > 0 && await TryAnswerAsync(shell))
            {
            }
            _underWay.Clear();
            shell.Dispose();
        }
        if (host.Reach != KillReach.Part) shell = await host.StartAsync();
        long start = Stopwatch.GetTimestamp();
        while (_recovered.Count < LedgerBook.FirstCharacters.Length)
        {
            if (Stopwatch.GetElapsedTime(start) > RecoveryDeadline)
            {
                throw new TimeoutException($"After a kill, only keys beginning with {string.Concat(_recovered.Order())}"
                    + $" were taken within {RecoveryDeadline.TotalSeconds:F0} s.");
            }
            await WriteAsync(shell);
        }
        return shell;
    }

    /// <summary>Fills the window of writes under way and takes one answer.</summary>
    private async Task WriteAsync(ShellProcess shell)
    {
        while (_underWay.Count < Window)
        {
            int write = book.Next();
            _underWay.Enqueue(write);
            await shell.SendAsync($"put {LedgerBook.KeyOf(write)} {book.ValueOf(write)}");
        }
        await AnswerAsync(shell);
    }

    private async Task AnswerAsync(ShellProcess shell)
    {
        if (!await TryAnswerAsync(shell))
            throw new InvalidDataException($"The shell ended. Its errors: {shell.Errors}");
    }

    /// <summary>Takes the next answer; false if the shell is gone and has said all.</summary>
    private async Task<bool> TryAnswerAsync(ShellProcess shell)
    {
        if (await shell.ReadLineAsync(AnswerDeadline) is not { } line) return false;
        int answered = _underWay.Dequeue();
        if (line == "OK")
        {
            book.Acknowledge(answered);
            if (answered >= _firstAfterKill) _recovered.Add(LedgerBook.KeyOf(answered)[0]);
        }
        else if (!line.StartsWith("ERR ", StringComparison.Ordinal))
        {
            throw new InvalidDataException($"put answered '{line}'");
        }
        return true;
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
            string value = await shell.ReadLineAsync(AnswerDeadline)
                ?? throw new InvalidDataException($"The shell ended while reading back. Its errors: {shell.Errors}");
            bool matches = value == book.ValueOf(write);
            if (book.IsAcknowledged(write) && !matches)
                lost.Add($"{LedgerBook.KeyOf(write)}: expected {book.ValueOf(write)}, found {value}");
            else if (!book.IsAcknowledged(write) && matches) extra++;
            else if (!matches && value != "(nil)") lost.Add($"{LedgerBook.KeyOf(write)}: never written so: {value}");
        }
        return new LedgerResult(kills, book.Written, book.Acknowledged, extra, lost, _recoveries);
    }
}
