namespace Orleans.Raft.Bench;

/// <summary>Puts replicas in PostgreSQL beside PostgreSQL itself.</summary>
internal sealed class PostgresReport(LoadPlan plan)
{
    /// <summary>The callers for which the reach is set.</summary>
    public const int Clients = 64;

    private const double ReachedRatio = 2;

    private readonly LoadSamples _put = new();
    private readonly LoadSamples _get = new();
    private readonly Samples _flushes = new();
    private readonly Samples _upserts = new();
    private readonly Samples _upsertMilliseconds = new();

    public void AddPut(PostgresMeasurement run)
    {
        Console.Error.WriteLine($"put: {run.Load}, {run.FlushesPerSecond:N0} flushes/s of each database");
        _put.Add(run.Load);
        _flushes.Add(run.FlushesPerSecond);
    }

    public void AddGet(PostgresMeasurement run)
    {
        Console.Error.WriteLine($"get: {run.Load}, {run.FlushesPerSecond:N0} flushes/s of each database");
        _get.Add(run.Load);
    }

    public void AddPgbench(PgbenchResult run)
    {
        Console.Error.WriteLine($"pgbench: {run.PerSecond,9:N0}/s, mean {run.MeanMilliseconds:0.000} ms");
        _upserts.Add(run.PerSecond);
        _upsertMilliseconds.Add(run.MeanMilliseconds);
    }

    public void Write(TextWriter output)
    {
        Samples ratio = _put.PerSecond.DividedBy(_upserts);
        string verdict = plan.Clients != Clients ? "" : ratio.Median >= ReachedRatio ? "met" : "MISSED";
        string clients = $"{plan.Clients} client{(plan.Clients == 1 ? "" : "s")}";
        var table = new MarkdownTable("work", "reach", "median (least - most)", "verdict");
        table.Add($"put, {clients}", "", $"{_put.PerSecond.ToString("N0")}/s", "");
        table.Add("the same, of pgbench's in the same round", $"at least {ReachedRatio} times",
            $"{ratio.ToString("0.00")} times", verdict);
        table.Add("the same, p50", "", $"{_put.P50Milliseconds.ToString("0.00")} ms", "");
        table.Add("the same, p99", "", $"{_put.P99Milliseconds.ToString("0.00")} ms", "");
        table.Add("transactions (flushes) of each database", "", $"{_flushes.ToString("N0")}/s", "");
        table.Add("puts in each flush", "", _put.PerSecond.DividedBy(_flushes).ToString("0.0"), "");
        table.Add($"linearizable get (ReadIndex), {clients}", "", $"{_get.PerSecond.ToString("N0")}/s", "");
        table.Add("the same, p50", "", $"{_get.P50Milliseconds.ToString("0.00")} ms", "");
        table.Add("the same, p99", "", $"{_get.P99Milliseconds.ToString("0.00")} ms", "");
        table.Add($"pgbench, single-row upsert in one database, {clients}", "", $"{_upserts.ToString("N0")}/s", "");
        table.Add("the same, mean latency", "", $"{_upsertMilliseconds.ToString("0.00")} ms", "");
        table.Write(output);
        WriteErrors(output, "put", _put);
        WriteErrors(output, "get", _get);
    }

    private static void WriteErrors(TextWriter output, string work, LoadSamples samples)
    {
        if (samples.Errors > 0)
            output.WriteLine($"{Environment.NewLine}{work}: {samples.Errors} errors, one of them: "
                + samples.FirstError);
    }
}
