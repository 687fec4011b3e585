using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Orleans.Raft.Processes;

/// <summary>Three silo processes on this machine's loopback, each of which can be killed, stopped and started again; and
/// those that join them.</summary>
/// <param name="directory">Their data, membership and logs.</param>
/// <param name="arguments">More options of the silos' program.</param>
public sealed class SiloCluster(string directory, params string[] arguments) : IDisposable
{
    /// <summary>Silos that the cluster forms with.</summary>
    public const int Count = 3;

    private const int MostSilos = 8;

    private static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(120);

    private readonly string _assembly = ProgramFiles.Find("Silo");
    private readonly List<SiloProcess?> _silos = [.. new SiloProcess?[Count]];
    private readonly int[] _ports = FreePorts(2 * MostSilos);
    private (SmallDisk Disk, string Directory)? _smallDisk;

    public string Gateways =>
        string.Join(',', Enumerable.Range(0, Count).Select(i => $"127.0.0.1:{_ports[MostSilos + i]}"));

    public bool IsNew => _silos.All(silo => silo is null);

    public static string NameOf(int silo) => $"silo-{silo + 1}";

    /// <summary>Puts the last silo's data on a small disk. To be called before it is started.</summary>
    /// <param name="mounted">Where the disk is mounted.</param>
    public void PutLastOn(SmallDisk disk, string mounted) => _smallDisk = (disk, mounted);

    /// <summary>Starts whatever is not running.</summary>
    public void StartMissing()
    {
        for (int i = 0; i < _silos.Count; i++)
            if (_silos[i] is not { IsRunning: true }) Start(i);
    }

    /// <summary>Starts one that joins the others.</summary>
    /// <returns>Its number.</returns>
    public int Join()
    {
        if (_silos.Count == MostSilos)
            throw new InvalidOperationException($"There are {MostSilos} silos, and ports for no more.");
        _silos.Add(null);
        Start(_silos.Count - 1);
        return _silos.Count - 1;
    }

    /// <summary>Waits until every silo's groups have leaders.</summary>
    /// <exception cref="TimeoutException">Names those that are not ready.</exception>
    public async Task ReadyAsync(CancellationToken cancellation = default)
    {
        try
        {
            await Task.WhenAll(_silos.Select(silo => silo!.Ready)).WaitAsync(ReadyDeadline, cancellation);
        }
        catch (TimeoutException late)
        {
            IEnumerable<string> missing = _silos.Where(silo => !silo!.Ready.IsCompletedSuccessfully)
                .Select(silo => silo!.Name);
            throw new TimeoutException($"Not ready within {ReadyDeadline.TotalSeconds:F0} s: "
                + $"{string.Join(", ", missing)}; see the logs in {directory}.", late);
        }
    }

    public bool IsRunning(int silo) => _silos[silo] is { IsRunning: true };

    /// <summary>Sends SIGKILL and waits for the end.</summary>
    public void Kill(int silo) => _silos[silo]!.Kill();

    /// <summary>Sends SIGTERM and waits for the end.</summary>
    /// <returns>The exit code.</returns>
    public Task<int> TerminateAsync(int silo) => _silos[silo]!.TerminateAsync();

    /// <summary>Sends SIGSTOP; disposing of what is returned sends SIGCONT.</summary>
    public PausedProcess Stop(int silo) => PausedProcess.Stop(_silos[silo]!.Id);

    public void Dispose()
    {
        foreach (SiloProcess? silo in _silos) silo?.Dispose();
    }

    private void Start(int index)
    {
        string name = NameOf(index);
        _silos[index]?.Dispose();
        (SmallDisk? disk, string data) = index == Count - 1 && _smallDisk is { } small
            ? (small.Disk, small.Directory)
            : (null, Path.Combine(directory, "data"));
        ProcessStartInfo start = ProgramFiles.Command(_assembly,
        [
            "--name", name, "--nodes", string.Join(',', Enumerable.Range(0, Count).Select(NameOf)), "--data", data,
            "--membership", Path.Combine(directory, "membership.json"),
            "--silo-port", _ports[index].ToString(CultureInfo.InvariantCulture),
            "--gateway-port", _ports[MostSilos + index].ToString(CultureInfo.InvariantCulture),
            .. index < Count ? (string[])[] : ["--join"], .. arguments,
        ], disk);
        _silos[index] = SiloProcess.Start(name, start, Path.Combine(directory, $"{name}.log"));
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
