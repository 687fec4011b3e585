using System.Net;
using System.Net.Sockets;

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
public sealed class SiloHost(string siloAssembly, string clientAssembly, string directory, KillMode mode) : ILedgerHost
{
    private const int Silos = 3;
    private static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(120);

    private readonly SiloProcess?[] _silos = new SiloProcess?[Silos];
    private readonly int[] _ports = FreePorts(2 * Silos);
    private ShellProcess? _shell;

    public KillReach Reach => mode == KillMode.All ? KillReach.Store : KillReach.Part;

    private string Gateways =>
        string.Join(',', Enumerable.Range(0, Silos).Select(i => $"127.0.0.1:{_ports[Silos + i]}"));

    public async Task<ShellProcess> StartAsync()
    {
        bool isFirst = _silos.All(silo => silo is null);
        for (int i = 0; i < Silos; i++)
            if (_silos[i] is not { IsRunning: true }) _silos[i] = StartSilo(i);
        // One silo may come back while writes go on; when all are gone there is nobody to write to before.
        if (isFirst || mode == KillMode.All) await AllReadyAsync();
        if (_shell is not { IsRunning: true }) _shell = ShellProcess.Start(clientAssembly, ["--gateways", Gateways]);
        return _shell;
    }

    public async Task KillAsync(LedgerBook book)
    {
        await AllReadyAsync();
        if (mode == KillMode.All)
        {
            foreach (SiloProcess? silo in _silos) silo!.Kill();
        }
        else
        {
            _silos[book.Draw(0, Silos - 1)]!.Kill();
        }
    }

    public ValueTask DisposeAsync()
    {
        _shell?.Dispose();
        foreach (SiloProcess? silo in _silos) silo?.Dispose();
        return ValueTask.CompletedTask;
    }

    private Task AllReadyAsync() => Task.WhenAll(_silos.Select(silo => silo!.Ready)).WaitAsync(ReadyDeadline);

    private SiloProcess StartSilo(int index)
    {
        string name = $"silo-{index + 1}";
        _silos[index]?.Dispose();
        return SiloProcess.Start(name,
        [
            siloAssembly, "--name", name, "--nodes",
                string.Join(',', Enumerable.Range(1, Silos).Select(i => $"silo-{i}")),
            "--data", Path.Combine(directory, "data"), "--membership", Path.Combine(directory, "membership.json"),
            "--silo-port", _ports[index].ToString(), "--gateway-port", _ports[Silos + index].ToString(),
        ], Path.Combine(directory, $"{name}.log"));
    }

    private static int[] FreePorts(int count)
    {
        TcpListener[] listeners = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener listener in listeners) listener.Start();
        int[] ports = [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        foreach (TcpListener listener in listeners) listener.Dispose();
        return ports;
    }
}
