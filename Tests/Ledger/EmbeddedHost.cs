using Orleans.Raft.Processes;

namespace Orleans.Raft.Ledger;

/// <summary>The embedded host as a child process: a kill takes all its nodes at once.</summary>
public sealed class EmbeddedHost(string dataDirectory) : ILedgerHost
{
    private ShellProcess? _shell;

    public KillReach Reach => KillReach.StoreAndShell;

    public Task<ShellProcess> StartAsync()
    {
        _shell = ShellProcess.Start(ProgramFiles.Find("Embedded"), ["--data", dataDirectory]);
        return Task.FromResult(_shell);
    }

    public Task KillAsync(LedgerBook book)
    {
        _shell!.Kill();
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _shell?.Dispose();
        return ValueTask.CompletedTask;
    }
}
