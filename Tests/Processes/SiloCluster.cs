using System.Diagnostics;

namespace Orleans.Raft.Processes;

/// <summary>Silo processes, each of which can be killed, stopped and started again; and those that join them.</summary>
public sealed class SiloCluster : IDisposable
{
    /// <summary>Silos that a cluster on loopback forms with.</summary>
    public const int Count = 3;

    private const int MostSilos = 8;

    private static readonly TimeSpan ReadyDeadline = TimeSpan.FromSeconds(120);

    private readonly string _assembly = ProgramFiles.Find("Silo");
    private readonly string _directory;
    private readonly IReadOnlyList<SiloSeat> _seats;
    private readonly int _formed;
    private readonly string[] _arguments;
    private readonly List<SiloProcess?> _silos;
    private (SmallDisk Disk, string Directory)? _smallDisk;

    /// <summary>Three on this machine's loopback.</summary>
    /// <param name="directory">Their data, membership and logs.</param>
    /// <param name="arguments">More options of the silos' program.</param>
    public SiloCluster(string directory, params string[] arguments)
        : this(directory, SiloSeat.OnLoopback(MostSilos), Count, arguments)
    {
    }

    /// <param name="directory">Their data, membership and logs.</param>
    /// <param name="seats">One for each silo, those that join too.</param>
    /// <param name="formed">Silos that the cluster forms with.</param>
    /// <param name="arguments">More options of the silos' program.</param>
    public SiloCluster(string directory, IReadOnlyList<SiloSeat> seats, int formed, params string[] arguments)
    {
        _directory = directory;
        _seats = seats;
        _formed = formed;
        _arguments = arguments;
        _silos = [.. new SiloProcess?[formed]];
    }

    public string Gateways => string.Join(',', _seats.Take(_formed).Select(seat => seat.Gateway));

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
        if (_silos.Count == _seats.Count)
            throw new InvalidOperationException($"There are {_seats.Count} silos, and seats for no more.");
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
                + $"{string.Join(", ", missing)}; see the logs in {_directory}.", late);
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
        (IReadOnlyList<string> entrance, string data) = index == _formed - 1 && _smallDisk is { } small
            ? (small.Disk.Entrance, small.Directory)
            : (_seats[index].Entrance, Path.Combine(_directory, "data"));
        ProcessStartInfo start = ProgramFiles.Command(_assembly,
        [
            "--name", name, "--data", data, "--membership", Path.Combine(_directory, "membership.json"),
            .. _seats[index].Arguments, .. PartOf(index), .. _arguments,
        ], entrance);
        _silos[index] = SiloProcess.Start(name, start, Path.Combine(_directory, $"{name}.log"));
    }

    /// <summary>A silo is a node; one that shares slots with others comes and goes without a word.</summary>
    private string[] PartOf(int index)
    {
        if (_arguments.Contains("--slots")) return [];
        string formed = string.Join(',', Enumerable.Range(0, _formed).Select(NameOf));
        return index < _formed ? ["--nodes", formed] : ["--nodes", formed, "--join"];
    }
}
