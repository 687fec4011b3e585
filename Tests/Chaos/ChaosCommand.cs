using System.Globalization;

namespace Orleans.Raft.Chaos;

/// <summary>One run with its directory and its report, as the command line and the tests start it.</summary>
/// <param name="Host"><c>silos</c> or <c>embedded</c>.</param>
/// <param name="Faults">Kinds of faults; null: all that the host and this machine permit.</param>
/// <param name="Data">An empty directory; null: a new one, removed if all is well.</param>
public sealed record ChaosCommand(string Host, TimeSpan Duration, int Seed, int Clients, double Rate,
    IReadOnlyList<string>? Faults, string? Data)
{
    /// <summary>What the run did, after <see cref="RunAsync"/>.</summary>
    public ChaosResult? Result { get; private set; }

    /// <returns>Whether all was well.</returns>
    /// <exception cref="ArgumentException">An option makes no sense.</exception>
    public async Task<bool> RunAsync(Action<string> report, CancellationToken interrupt)
    {
        if (Clients < 1) throw new ArgumentException($"--clients is {Clients}; it must be at least 1.");
        if (Rate <= 0) throw new ArgumentException($"--rate is {Rate}; it must be positive.");
        string directory = Data is null
            ? Directory.CreateTempSubdirectory("chaos-").FullName
            : Directory.CreateDirectory(Data).FullName;
        if (Directory.EnumerateFileSystemEntries(directory).Any())
            throw new ArgumentException($"--data is {directory}, which is not empty.");
        bool keep = Data is not null;
        try
        {
            bool isWell = await RunInAsync(directory, report, interrupt);
            keep |= !isWell;
            return isWell;
        }
        catch (Exception failure) when (failure is not (OperationCanceledException or ArgumentException))
        {
            keep = true;
            throw;
        }
        finally
        {
            if (keep) report($"data, logs and pictures are kept in {directory}");
            else Directory.Delete(directory, recursive: true);
        }
    }

    private async Task<bool> RunInAsync(string directory, Action<string> report, CancellationToken interrupt)
    {
        int all = ChaosOptions.AllClients(Clients);
        await using IChaosHost host = Host == "silos"
            ? new SilosChaosHost(directory, all)
            : new EmbeddedChaosHost(directory, all);
        foreach (string kind in Faults ?? [])
        {
            if (!host.Faults.ContainsKey(kind) && !host.Impossible.ContainsKey(kind))
                throw new ArgumentException($"--faults: there is no {kind} with {Host}; there are "
                    + $"{string.Join(", ", host.Faults.Keys)}.");
        }
        string[] kinds = [.. host.Faults.Keys.Where(kind => Faults?.Contains(kind) ?? true).Order()];
        report($"chaos: {Host}, seed {Seed}, {Clients} clients and {ChaosOptions.Writers} writers, at most {Rate} "
            + $"operations/s, faults: {string.Join(", ", kinds)}");
        var options = new ChaosOptions(Duration, Seed, Clients, Rate, kinds);
        ChaosResult result = Result = await new ChaosRun(host, options, directory, report).RunAsync(interrupt);
        Print(result, report);
        return result.Failures.Count == 0;
    }

    private void Print(ChaosResult result, Action<string> report)
    {
        Tally tally = result.Tally;
        double unknownPercent = 100.0 * tally.Unknown / tally.Total;
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
        $"dotnet run --project Tests/Chaos -c Release -- --host {Host} --seconds {Duration.TotalSeconds:F0} "
        + $"--seed {Seed} --clients {Clients} --rate {Rate}"
        + $"{(Faults is null ? "" : $" --faults {string.Join(',', Faults)}")}");
}
