using Xunit;

namespace Orleans.Raft.Bench.Tests;

public sealed class OrleansLoadTests
{
    private static readonly LoadPlan s_plan =
        new(256, TimeSpan.FromSeconds(2.5), TimeSpan.FromSeconds(10), 100_000, 256, 7);

    [Fact]
    public void The_shell_is_given_the_plan() => Assert.Equal(
        "bench put --clients 256 --seconds 2.5 --warmup 10 --value-bytes 256 --keys 100000 --seed 7 --json",
        OrleansLoad.Line(LoadKind.Put, s_plan, writesKeys: false));

    [Fact]
    public void Keys_are_written_before_reading_only_when_asked_for()
    {
        Assert.DoesNotContain("--no-load", OrleansLoad.Line(LoadKind.Get, s_plan, writesKeys: true),
            StringComparison.Ordinal);
        Assert.EndsWith(" --no-load", OrleansLoad.Line(LoadKind.Get, s_plan, writesKeys: false),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_lease_is_asked_for_by_name() =>
        Assert.Contains(" --consistency lease", OrleansLoad.Line(LoadKind.LeaseGet, s_plan, writesKeys: true),
            StringComparison.Ordinal);

    [Fact]
    public void The_shell_s_figures_are_read()
    {
        Measurement run = OrleansLoad.Parse(
            """{"ops_per_s":1234.5,"p50_ms":0.5,"p99_ms":2,"p999_ms":9.25,"errors":1"""
            + ""","seconds":10,"operations":12345,"groups":{"g1":12345}}""");
        Assert.Equal((1234.5, 0.5, 2.0, 9.25, 1L),
            (run.PerSecond, run.P50Milliseconds, run.P99Milliseconds, run.P999Milliseconds, run.Errors));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"ops_per_s\":\"many\",\"errors\":0}")]
    [InlineData("{")]
    public void Anything_else_is_refused(string json) => Assert.Throws<BenchException>(() => OrleansLoad.Parse(json));

    [Fact]
    public async Task A_command_s_lines_are_read()
    {
        ChildResult child = await ChildProcess.RunAsync(
            ChildProcess.Shell("cat"), "one\ntwo\n", TimeSpan.FromSeconds(30), CancellationToken.None);
        Assert.Equal(["one", "two"], child.Lines);
        Assert.NotNull(child.FirstLineAfter);
    }

    [Fact]
    public async Task A_command_that_fails_is_told_with_what_it_said()
    {
        BenchException failure = await Assert.ThrowsAsync<BenchException>(() => ChildProcess.RunAsync(
            ChildProcess.Shell("sh -c 'echo no silo >&2; exit 3'"), "", TimeSpan.FromSeconds(30),
            CancellationToken.None));
        Assert.Contains("exit code 3", failure.Message, StringComparison.Ordinal);
        Assert.Contains("no silo", failure.Message, StringComparison.Ordinal);
    }
}
