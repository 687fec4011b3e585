using Orleans.Raft.Shell;

namespace Orleans.Raft.Bench;

/// <summary>What to measure, and how.</summary>
/// <param name="Etcd">Null: no etcd.</param>
/// <param name="ShellCommand">Opens a shell on running silos; null: no silos.</param>
/// <param name="Plan">Of every load, but for the number of clients.</param>
internal sealed record FigureRunOptions(
    IReadOnlyCollection<string> Parts, int Rounds, int MemoryKeys, EtcdOptions? Etcd, string? ShellCommand,
    LoadPlan Plan, string Data);

/// <summary>
/// Measures every part once a round, so that what changes on the machine while it runs changes them all alike. Each
/// result goes to standard error as it comes.
/// </summary>
internal sealed class FigureRun(FigureRunOptions options)
{
    private static readonly TimeSpan s_flushDuration = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_idleDuration = TimeSpan.FromSeconds(3);

    private double? _idleShare;
    private string _etcdVersion = "";

    public FigureSet Figures { get; } = new() { MemoryKeys = options.MemoryKeys };

    private LoadPlan Plan => options.Plan;

    private bool HasEtcd => options.Etcd is not null && options.Parts.Contains("etcd");

    private bool HasSilos => !string.IsNullOrEmpty(options.ShellCommand) && options.Parts.Contains("orleans");

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Data);
        await MeasureIdleAsync(cancellationToken);
        if (HasEtcd) await PrepareEtcdAsync(cancellationToken);
        for (int round = 0; round < options.Rounds; round++)
        {
            await Console.Error.WriteLineAsync($"round {round + 1} of {options.Rounds}");
            if (options.Parts.Contains("flush")) MeasureFlush();
            if (options.Parts.Contains("core")) MeasureCore();
            if (HasEtcd) await MeasureEtcdAsync(cancellationToken);
            if (HasSilos) await MeasureOrleansAsync(isFirst: round == 0, cancellationToken);
            if (options.Parts.Contains("embedded")) await MeasureEmbeddedAsync(cancellationToken);
            if (options.Parts.Contains("memory")) await MeasureMemoryAsync(cancellationToken);
        }
    }

    /// <summary>Writes what the figures depend on.</summary>
    public void WriteConditions(TextWriter output)
    {
        output.WriteLine(MachineFacts.Describe(options.Data) + ".");
        output.WriteLine($"{options.Rounds} rounds, each load {Plan.Duration.TotalSeconds:0.##} s after "
            + $"{Plan.WarmUp.TotalSeconds:0.##} s of warm-up, " +
            $"{Plan.Keys:N0} keys, {Plan.ValueBytes}-byte values, everything on this machine and flushed to its disk.");
        if (HasEtcd)
            output.WriteLine($"etcd {_etcdVersion}, {options.Etcd!.Endpoints.Count} members, "
                + $"{options.Etcd.Connections} connection(s) to "
                + $"{(options.Etcd.Target == EtcdTarget.All ? "each" : "the leader")}.");
        if (_idleShare is { } idle) output.WriteLine($"Before the load the processors were {idle:P0} busy (other "
            + "programs, and idle clusters).");
        output.WriteLine("The load's CPU is its part of all processor time used: measured where it is a process of "
            + "its own, estimated in the embedded host.");
    }

    private async Task MeasureIdleAsync(CancellationToken cancellationToken)
    {
        CpuTimes before = CpuTimes.Now();
        await Task.Delay(s_idleDuration, cancellationToken);
        CpuTimes used = CpuTimes.Now() - before;
        if (used.Passed > TimeSpan.Zero) _idleShare = used.Busy / used.Passed;
    }

    private async Task PrepareEtcdAsync(CancellationToken cancellationToken)
    {
        using (EtcdClient client =
            await EtcdClient.ConnectAsync(options.Etcd!.Endpoints, options.Etcd.Target, 1, 1, cancellationToken))
            _etcdVersion = client.Version;
        await EtcdLoad.FillAsync(options.Etcd, Plan, cancellationToken);
    }

    private void MeasureFlush()
    {
        LatencyHistogram one = FlushProbe.Run(options.Data, files: 1, s_flushDuration);
        LatencyHistogram three = FlushProbe.Run(options.Data, files: 3, s_flushDuration);
        Figures.FlushOne.Add(one.QuantileMilliseconds(0.5));
        Figures.FlushThree.Add(three.QuantileMilliseconds(0.5));
        Console.Error.WriteLine($"flush: one file {one.QuantileMilliseconds(0.5):0.000} ms, three at once "
            + $"{three.QuantileMilliseconds(0.5):0.000} ms");
    }

    private void MeasureCore()
    {
        CoreResult core =
            CoreBenchmark.Run(CoreFigures.PayloadBytes, CoreFigures.EntriesPerBatch, CoreFigures.Duration);
        Figures.CorePerSecond.Add(core.CommittedPerSecond);
        Figures.CoreOtherBytesPerEntry.Add(core.OtherBytesPerEntry);
        Console.Error.WriteLine($"core: {core.CommittedPerSecond:N0}/s, {core.BytesPerEntry:0.0} bytes per entry, of "
            + $"them {CoreResult.SlotBytes} log slots");
    }

    private async Task MeasureEtcdAsync(CancellationToken cancellationToken)
    {
        foreach ((LoadKind kind, int clients) in new[] { (LoadKind.Put, FigureReport.Many),
            (LoadKind.Get, FigureReport.Many), (LoadKind.Put, 1) })
            Note(FigureReport.Etcd, kind, clients,
                await EtcdLoad.RunAsync(options.Etcd!, kind, Plan with { Clients = clients }, cancellationToken));
    }

    private async Task MeasureOrleansAsync(bool isFirst, CancellationToken cancellationToken)
    {
        foreach ((LoadKind kind, int clients) in new[] { (LoadKind.Put, FigureReport.Many),
            (LoadKind.Get, FigureReport.Many), (LoadKind.Put, 1) })
        {
            Note(FigureReport.Orleans, kind, clients, await OrleansLoad.RunAsync(
                options.ShellCommand!, kind, Plan with { Clients = clients }, writesKeys: isFirst, cancellationToken));
        }
    }

    private async Task MeasureEmbeddedAsync(CancellationToken cancellationToken)
    {
        await using EmbeddedLoad load = await EmbeddedLoad.StartAsync(options.Data, cancellationToken);
        await load.FillAsync(Plan, cancellationToken);
        foreach ((LoadKind kind, int clients) in new[]
        {
            (LoadKind.Put, FigureReport.Many), (LoadKind.Put, FigureReport.Most), (LoadKind.Put, 1),
            (LoadKind.Get, FigureReport.Many), (LoadKind.LeaseGet, FigureReport.Many),
        })
            Note(FigureReport.Embedded, kind, clients,
                await load.RunAsync(kind, Plan with { Clients = clients }, cancellationToken));
    }

    private async Task MeasureMemoryAsync(CancellationToken cancellationToken)
    {
        MemoryResult memory = await MemoryBenchmark.RunAsync(options.Data, options.MemoryKeys, cancellationToken);
        Figures.ResidentGigabytes.Add(memory.ResidentBytes / 1e9);
        Figures.RestartSeconds.Add(memory.RestartSeconds);
        await Console.Error.WriteLineAsync($"memory: {memory.ResidentBytes / 1e9:0.00} GB resident (peak "
            + $"{memory.PeakBytes / 1e9:0.00}), filled in {memory.FillSeconds:0.0} s, restarted in "
            + $"{memory.RestartSeconds:0.0} s");
    }

    private void Note(string host, LoadKind kind, int clients, Measurement run)
    {
        Console.Error.WriteLine($"{host} {LoadTable.Name(kind)} {clients}: {run}");
        Figures.Add(host, kind, clients, run);
    }
}
