namespace Orleans.Raft.Bench;

/// <summary>Medians of runs under load, one row for each host, operation and number of clients. Each run is told as it
/// ends.</summary>
internal sealed class LoadTable
{
    private readonly List<Row> _rows = [];

    private sealed record Row(string Host, string Work, int Clients, List<Measurement> Runs);

    public void Add(string host, LoadKind kind, int clients, Measurement run) => Add(host, Name(kind), clients, run);

    public void Add(string host, string work, int clients, Measurement run)
    {
        Console.Error.WriteLine($"{host} {work} {clients}: {run}");
        Row? row = _rows.Find(row => row.Host == host && row.Work == work && row.Clients == clients);
        if (row is null) _rows.Add(row = new Row(host, work, clients, []));
        row.Runs.Add(run);
    }

    public void Write(TextWriter output)
    {
        var table = new MarkdownTable("host", "work", "clients", "per second", "p50 ms", "p99 ms", "p99.9 ms", "errors",
            "load's CPU", "busy");
        foreach (Row row in _rows)
        {
            table.Add(row.Host, row.Work, $"{row.Clients}", Of(row, run => run.PerSecond, "N0"),
                Of(row, run => run.P50Milliseconds, "0.000"),
                Of(row, run => run.P99Milliseconds, "0.000"), Of(row, run => run.P999Milliseconds, "0.000"),
                $"{row.Runs.Sum(run => run.Errors)}", Of(row, run => run.LoadShare, "P0"),
                Of(row, run => run.BusyShare, "P0"));
        }
        table.Write(output);
    }

    /// <summary>How tables name an operation.</summary>
    public static string Name(LoadKind kind) => kind switch
    {
        LoadKind.Put => "put",
        LoadKind.Get => "linearizable get (ReadIndex)",
        LoadKind.LeaseGet => "linearizable get (lease)",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    private static string Of(Row row, Func<Measurement, double?> figure, string format)
    {
        var samples = new Samples();
        foreach (double value in row.Runs.Select(figure).OfType<double>()) samples.Add(value);
        return samples.ToString(format);
    }
}
