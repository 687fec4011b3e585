using System.Globalization;

namespace Orleans.Raft.Chaos;

/// <summary>One run with its directory and its report, as the command line and the tests start it.</summary>
/// <param name="Host"><c>silos</c> or <c>embedded</c>.</param>
/// <param name="Faults">Kinds of faults; null: all that the host and this machine permit.</param>
/// <param name="Data">An empty directory; null: a new one, removed if all is well.</param>
public sealed record ChaosCommand(string Host, TimeSpan Duration, int Seed, int Clients, double Rate,
    IReadOnlyList<string>? Faults, string? Data)
{
    private static readonly TimeSpan MaxDuration = TimeSpan.FromDays(30);

    /// <summary>What the run did, after <see cref="RunAsync"/>.</summary>
    public ChaosResult? Result { get; private set; }

    /// <summary>Opens a host over a directory, for so many clients; null: the one that is named.</summary>
    public Func<string, int, IChaosHost>? Open { get; init; }

    /// <summary>The program and options that choose the host, for the line that says how to run the same again.</summary>
    public string Program { get; init; } = $"Tests/Chaos -c Release -- --host {Host}";

    /// <summary>The option by which that program takes <see cref="Faults"/>.</summary>
    public string FaultsOption { get; init; } = "--faults";

    /// <returns>Whether all was well.</returns>
    /// <exception cref="ArgumentException">An option makes no sense.</exception>
    /// <exception cref="OperationCanceledException">It was interrupted before anything was found.</exception>
    public async Task<bool> RunAsync(Action<string> report, CancellationToken interrupt)
    {
        if (Duration < TimeSpan.Zero || Duration > MaxDuration)
            throw new ArgumentException($"The time is {Duration}; it must be between 0 and {MaxDuration.Days} days.");
        if (Clients < 1) throw new ArgumentException($"--clients is {Clients}; it must be at least 1.");
        if (!(Rate >= 1)) throw new ArgumentException($"--rate is {Rate}; it must be at least 1.");
        string directory = Data is null
            ? Directory.CreateTempSubdirectory("chaos-").FullName
            : Directory.CreateDirectory(Data).FullName;
        if (Directory.EnumerateFileSystemEntries(directory).Any())
            throw new ArgumentException($"--data is {directory}, which is not empty.");
        bool keep = Data is not null;
        try
        {
            await using IChaosHost host = OpenHost(directory);
            string[] kinds = Choose(host);
            // From here on there is something to look at, unless it ends well or without a verdict.
            keep = true;
            bool isWell = await RunOnAsync(host, kinds, directory, report, interrupt);
            keep = Data is not null || !isWell;
            return isWell;
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            keep = Data is not null;
            throw;
        }
        finally
        {
            if (keep) report($"data, logs and pictures are kept in {directory}");
            else Directory.Delete(directory, recursive: true);
        }
    }

    private IChaosHost OpenHost(string directory)
    {
        int all = ChaosOptions.AllClients(Clients);
        if (Open is not null) return Open(directory, all);
        long diskBytes = SmallDiskFault.DiskBytes(Duration, Rate);
        return Host == "silos"
            ? new SilosChaosHost(directory, all, diskBytes)
            : new EmbeddedChaosHost(directory, all, diskBytes);
    }

    private string[] Choose(IChaosHost host)
    {
        foreach (string kind in Faults ?? [])
        {
            if (host.Impossible.TryGetValue(kind, out string? reason))
                throw new ArgumentException($"{FaultsOption}: {kind} is not possible here: {reason}");
            if (!host.Faults.ContainsKey(kind))
                throw new ArgumentException($"{FaultsOption}: there is no {kind} with {Host}; there are "
                    + $"{string.Join(", ", host.Faults.Keys)}.");
        }
        return [.. host.Faults.Keys.Where(kind => Faults?.Contains(kind) ?? true).Order()];
    }

    private async Task<bool> RunOnAsync(IChaosHost host, string[] kinds, string directory, Action<string> report,
        CancellationToken interrupt)
    {
        var options = new ChaosOptions(Duration, Seed, Clients, Rate, kinds);
        report($"chaos: {Host}, seed {Seed}, {Clients} clients and {ChaosOptions.Writers} writers, at most {Rate} "
            + $"operations/s, faults: {string.Join(", ", kinds)}; over after {options.Limit.TotalSeconds:F0} s "
            + "at the latest");
        ChaosResult result = Result = await new ChaosRun(host, options, directory, report).RunAsync(interrupt);
        Print(result, report);
        return result.Failures.Count == 0;
    }

    private void Print(ChaosResult result, Action<string> report)
    {
        Tally tally = result.Tally;
        double unknownPercent = 100.0 * tally.Unknown / Math.Max(1, tally.Total);
        report(string.Create(CultureInfo.InvariantCulture,
            $"time {result.Elapsed.TotalSeconds:F0} s: {tally.Total} operations, {tally.Acknowledged} acknowledged, "
            + $"{tally.Refused} refused, {tally.Unknown} of unknown outcome ({unknownPercent:F2} %)"));
        report($"time without an acknowledged write, at most: {tally.LongestGap.TotalMilliseconds:F0} ms; "
            + $"{result.Histories} histories checked, {result.Unique} unique writes accounted for");
        report($"seed {Seed}: {string.Join(", ", result.Faults.Select(fault => $"{fault.Value} {fault.Key}"))}");
        report(result.Failures.Count == 0 ? "verdict: ok" : $"verdict: FAILED, {result.Failures.Count} findings");
        foreach (string failure in result.Failures.Take(20)) report($"  {failure}");
        if (result.Failures.Count > 0) report($"the same load and faults again: {CommandLine}");
    }

    private string CommandLine => string.Create(CultureInfo.InvariantCulture,
        $"dotnet run --project {Program} --seconds {Duration.TotalSeconds:R} "
        + $"--seed {Seed} --clients {Clients} --rate {Rate}"
        + $"{(Faults is null ? "" : $" {FaultsOption} {string.Join(',', Faults)}")}");
}
