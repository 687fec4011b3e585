using Orleans.Raft.Processes;

namespace Orleans.Raft.Ledger;

/// <summary>What a kill takes.</summary>
public enum KillMode
{
    /// <summary>One silo, drawn from the seed; the others go on.</summary>
    One,

    /// <summary>All silos at once.</summary>
    All,
}

/// <summary>Three silo processes on this machine, and the <c>kv</c> tool's shell as their client.</summary>
public sealed class SiloHost(string directory, KillMode mode) : ILedgerHost
{
    private readonly SiloCluster _silos = new(directory);
    private ShellProcess? _shell;

    public KillReach Reach => mode == KillMode.All ? KillReach.Store : KillReach.Part;

    public async Task<ShellProcess> StartAsync()
    {
        bool isFirst = _silos.IsNew;
        _silos.StartMissing();
        // One silo may come back while writes go on; when all are gone there is nobody to write to before.
        if (isFirst || mode == KillMode.All) await _silos.ReadyAsync();
        if (_shell is not { IsRunning: true })
            _shell = ShellProcess.Start(ProgramFiles.Find("Client"), ["--gateways", _silos.Gateways]);
        return _shell;
    }

    public async Task KillAsync(LedgerBook book)
    {
        await _silos.ReadyAsync();
        if (mode == KillMode.One) _silos.Kill(book.Draw(0, SiloCluster.Count - 1));
        else for (int silo = 0; silo < SiloCluster.Count; silo++) _silos.Kill(silo);
    }

    public ValueTask DisposeAsync()
    {
        _shell?.Dispose();
        _silos.Dispose();
        return ValueTask.CompletedTask;
    }
}
