namespace Orleans.Raft.Bench;

/// <summary>Puts what was measured beside what is to be reached.</summary>
internal sealed class FigureReport(FigureSet figures)
{
    public const string Embedded = "Embedded";
    public const string Orleans = "Orleans";
    public const string Etcd = "etcd";

    /// <summary>Many clients, the more of them, and one.</summary>
    public const int Many = 256;

    public const int Most = 4096;

    private const int ReachedKeys = 1_000_000; // What the reaches for memory are set for.

    private readonly MarkdownTable _table =
        new("host", "work", "reach", "median (least - most)", "verdict", "load's CPU");

    /// <summary>How many figures were measured and missed.</summary>
    public int Missed { get; private set; }

    public void Write(TextWriter output)
    {
        AddFlush();
        AddEmbedded();
        AddOrleans();
        AddEtcd();
        AddMemory();
        AtLeast("core alone", $"3 replicas in memory, {CoreFigures.PayloadBytes}-byte entries by "
            + $"{CoreFigures.EntriesPerBatch}, one thread",
            figures.CorePerSecond, 1_000_000, "N0", "/s");
        // The smallest object has 24 bytes: if less is allocated, there is none per entry. What is left belongs to the
        // batch.
        AtMost("core alone", "the same, allocated per entry beyond its payload and its slots in three logs "
            + $"({CoreResult.SlotBytes} bytes)",
            figures.CoreOtherBytesPerEntry, 23.9, "0.0", " bytes (no object)");
        _table.Write(output);
        WriteErrors(output);
    }

    private void AddFlush()
    {
        Inform("disk", "4 KiB written and flushed, one file, p50", figures.FlushOne, "0.000", " ms");
        Inform("disk", "the same, three files at once, p50", figures.FlushThree, "0.000", " ms");
    }

    private void AddEmbedded()
    {
        LoadSamples put = figures.Of(Embedded, LoadKind.Put, Many);
        LoadSamples more = figures.Of(Embedded, LoadKind.Put, Most);
        LoadSamples alone = figures.Of(Embedded, LoadKind.Put, 1);
        LoadSamples get = figures.Of(Embedded, LoadKind.Get, Many);
        LoadSamples lease = figures.Of(Embedded, LoadKind.LeaseGet, Many);
        AtLeast(Embedded, "put, 256 clients", put.PerSecond, 120_000, "N0", "/s", put);
        AtLeast(Embedded, "put, 4,096 clients", more.PerSecond, 250_000, "N0", "/s", more);
        AtMostFlushes(Embedded, alone, plusMilliseconds: 0.3);
        AtLeast(Embedded, "linearizable get (ReadIndex), 256 clients", get.PerSecond, 600_000, "N0", "/s", get);
        Inform(Embedded, "linearizable get (lease), 256 clients", lease.PerSecond, "N0", "/s", lease);
    }

    private void AddOrleans()
    {
        LoadSamples put = figures.Of(Orleans, LoadKind.Put, Many);
        LoadSamples get = figures.Of(Orleans, LoadKind.Get, Many);
        LoadSamples alone = figures.Of(Orleans, LoadKind.Put, 1);
        LoadSamples rivalPut = figures.Of(Etcd, LoadKind.Put, Many);
        LoadSamples rivalGet = figures.Of(Etcd, LoadKind.Get, Many);
        AtLeast(Orleans, "put, 256 clients", put.PerSecond, 40_000, "N0", "/s", put);
        AtLeast(Orleans, "put, 256 clients, of etcd's in the same round", put.PerSecond.DividedBy(rivalPut.PerSecond),
            4, "0.0", " times");
        if (rivalPut.P99Milliseconds.IsEmpty)
            Inform(Orleans, "put, 256 clients, p99", put.P99Milliseconds, "0.00", " ms");
        else AtMost(Orleans, "put, 256 clients, p99 (reach: etcd's)", put.P99Milliseconds,
            rivalPut.P99Milliseconds.Median, "0.00", " ms");
        AtLeast(Orleans, "linearizable get (ReadIndex), 256 clients", get.PerSecond, 70_000, "N0", "/s", get);
        AtLeast(Orleans, "the same, of etcd's in the same round", get.PerSecond.DividedBy(rivalGet.PerSecond), 8, "0.0",
            " times");
        AtMostFlushes(Orleans, alone, plusMilliseconds: 1.2);
    }

    private void AddEtcd()
    {
        LoadSamples put = figures.Of(Etcd, LoadKind.Put, Many);
        LoadSamples get = figures.Of(Etcd, LoadKind.Get, Many);
        Inform(Etcd, "put, 256 clients", put.PerSecond, "N0", "/s", put);
        Inform(Etcd, "put, 256 clients, p99", put.P99Milliseconds, "0.00", " ms");
        Inform(Etcd, "linearizable get, 256 clients", get.PerSecond, "N0", "/s", get);
        Inform(Etcd, "put, 1 client, p50", figures.Of(Etcd, LoadKind.Put, 1).P50Milliseconds, "0.000", " ms");
    }

    private void AddMemory()
    {
        const string Restart = "the same, restart to serving";
        string keys = $"{figures.MemoryKeys:N0} keys of 16 + 256 bytes, all three nodes";
        if (figures.MemoryKeys != ReachedKeys)
        {
            Inform(Embedded, keys, figures.ResidentGigabytes, "0.00", " GB resident");
            Inform(Embedded, Restart, figures.RestartSeconds, "0.0", " s");
            return;
        }
        AtMost(Embedded, keys, figures.ResidentGigabytes, 2.5, "0.00", " GB resident");
        AtMost(Embedded, Restart, figures.RestartSeconds, 15, "0.0", " s");
    }

    private void AtMostFlushes(string host, LoadSamples alone, double plusMilliseconds)
    {
        if (figures.FlushThree.IsEmpty)
            Inform(host, "put, 1 client, p50", alone.P50Milliseconds, "0.000", " ms", alone);
        else AtMost(host, $"put, 1 client, p50 (reach: 1.5 flushes + {plusMilliseconds:0.0} ms)", alone.P50Milliseconds,
            (1.5 * figures.FlushThree.Median) + plusMilliseconds, "0.000", " ms", alone);
    }

    private void AtLeast(string host, string work, Samples samples, double reach, string format, string unit,
        LoadSamples? load = null) =>
        Judge(host, work, samples, $"at least {reach.ToString(format)}{unit}", format, unit, median => median >= reach,
            load);

    private void AtMost(string host, string work, Samples samples, double reach, string format, string unit,
        LoadSamples? load = null) =>
        Judge(host, work, samples, $"at most {reach.ToString(format)}{unit}", format, unit, median => median <= reach,
            load);

    private void Judge(string host, string work, Samples samples, string reach, string format, string unit, Func<double,
        bool> isMet, LoadSamples? load)
    {
        string verdict = "";
        if (!samples.IsEmpty)
        {
            bool met = isMet(samples.Median);
            verdict = met ? "met" : "MISSED";
            if (!met) Missed++;
        }
        _table.Add(host, work, reach, Text(samples, format, unit), verdict, Share(load));
    }

    private void Inform(string host, string work, Samples samples, string format, string unit,
        LoadSamples? load = null) =>
        _table.Add(host, work, "", Text(samples, format, unit), "", Share(load));

    private static string Text(Samples samples, string format, string unit) =>
        samples.IsEmpty ? "not measured" : samples.ToString(format) + unit;

    private static string Share(LoadSamples? load) => load is { LoadShare.IsEmpty: false }
        ? $"{load.LoadShare.Median:P0}"
        : "";

    private void WriteErrors(TextWriter output)
    {
        foreach (((string host, LoadKind kind, int clients), LoadSamples samples) in figures.Loads)
        {
            if (samples.Errors > 0)
                output.WriteLine($"{Environment.NewLine}{host}, {LoadTable.Name(kind)}, {clients} clients: "
                    + $"{samples.Errors} errors, one of them: {samples.FirstError}");
        }
    }
}
