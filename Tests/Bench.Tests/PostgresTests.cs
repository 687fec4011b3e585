using Orleans.Raft.PostgreSql;
using Xunit;

namespace Orleans.Raft.Bench.Tests;

public sealed class PostgresTests
{
    private static readonly LoadPlan s_plan =
        new(PostgresReport.Clients, TimeSpan.FromSeconds(1), TimeSpan.Zero, 1000, 2, Seed: 1);

    [Theory]
    // Recorded from version 15.
    [InlineData("number of failed transactions: 0 (0.000%)\nlatency average = 5.182 ms\n"
        + "initial connection time = 57.021 ms\ntps = 12349.505410 (without initial connection time)")]
    // As version 13 puts it.
    [InlineData("latency average = 5.182 ms\ntps = 12000.1 (including connections establishing)\n"
        + "tps = 12349.505410 (excluding connections establishing)")]
    public void What_pgbench_prints_is_read(string output) =>
        Assert.Equal(new PgbenchResult(12349.50541, 5.182), Pgbench.Parse(output.Split('\n')));

    [Theory]
    [InlineData("")]
    [InlineData("tps = 1.0 (without initial connection time)")]
    [InlineData("latency average = 5.182 ms\ntps = many")]
    public void Anything_else_is_refused(string output) =>
        Assert.Throws<BenchException>(() => Pgbench.Parse(output.Split('\n')));

    [Fact]
    public void One_upsert_takes_any_of_the_keys_and_the_value_of_the_plan()
    {
        string value = Convert.ToHexStringLower(s_plan.CreateValue());
        Assert.Equal("\\set key random(0, 999)\n"
            + $"insert into pair values (:key, '\\x{value}'::bytea) on conflict (key) do update "
            + "set value = excluded.value;\n", Pgbench.Script(s_plan));
    }

    [Theory]
    [InlineData(64, 20_000, "met")]
    [InlineData(64, 19_999, "MISSED")]
    [InlineData(32, 20_000, "")]
    public void Twice_as_many_puts_as_upserts_are_to_be_reached_by_64_clients(int clients, double puts, string verdict)
    {
        string[] ratio = [.. Report(clients, puts, flushes: 1000, upserts: 10_000)
            .First(line => line.Contains("of pgbench's", StringComparison.Ordinal)).Split('|').Select(c => c.Trim())];
        Assert.Equal(verdict, ratio[4]);
    }

    [Fact]
    public void Puts_in_a_flush_are_those_of_one_database() => Assert.Contains("| 20.0 ",
        Report(64, puts: 20_000, flushes: 1000, upserts: 10_000).First(line =>
            line.Contains("puts in each flush", StringComparison.Ordinal)), StringComparison.Ordinal);

    [PostgresFact]
    public async Task A_cluster_on_servers_of_its_own_is_measured_beside_pgbench_and_nothing_of_it_stays()
    {
        using var data = ScratchDirectory.Create(Path.GetTempPath(), "bench-test");
        await using (PostgresLoad load = await PostgresLoad.StartAsync(data.Path, groups: 2, s_plan, default))
        {
            PostgresMeasurement put = await load.RunAsync(LoadKind.Put, s_plan, default);
            Assert.Null(put.Load.FirstError);
            Assert.True(put.FlushesPerSecond > 0);
            PostgresMeasurement get = await load.RunAsync(LoadKind.Get, s_plan, default);
            Assert.Null(get.Load.FirstError);
            Assert.True(get.Load.PerSecond > 0);
            Assert.True((await load.RunPgbenchAsync(PgbenchProtocol.Prepared, s_plan, default)).PerSecond > 0);
        }
        Assert.Empty(Directory.GetFileSystemEntries(data.Path));
    }

    [Fact]
    public async Task What_cannot_be_ended_keeps_nothing_else_from_ending()
    {
        var ended = new List<int>();
        AggregateException failure = await Assert.ThrowsAsync<AggregateException>(() => Disposal.AllAsync(
            [new Part(1, ended, fails: true), null, new Part(2, ended, fails: true), new Part(3, ended, fails: false)])
            .AsTask());
        Assert.Equal([1, 2, 3], ended);
        Assert.Equal(["part 1", "part 2"], failure.InnerExceptions.Select(inner => inner.Message));
    }

    private sealed class Part(int number, List<int> ended, bool fails) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            ended.Add(number);
            return fails ? ValueTask.FromException(new InvalidOperationException($"part {number}"))
                : ValueTask.CompletedTask;
        }
    }

    private static string[] Report(int clients, double puts, double flushes, double upserts)
    {
        var report = new PostgresReport(s_plan with { Clients = clients });
        report.AddPut(new PostgresMeasurement(new Measurement(puts, 1, 2, 3, 0, null, null, null, null), flushes));
        report.AddGet(new PostgresMeasurement(new Measurement(1, 1, 2, 3, 0, null, null, null, null), 0));
        report.AddPgbench(new PgbenchResult(upserts, 1));
        var output = new StringWriter();
        report.Write(output);
        return output.ToString().Split(Environment.NewLine);
    }
}
