using Xunit;

namespace Orleans.Raft.Bench.Tests;

public sealed class FigureTests
{
    [Theory]
    [InlineData(new[] { 5.0 }, 5)]
    [InlineData(new[] { 9.0, 1, 5 }, 5)]
    [InlineData(new[] { 4.0, 1, 2, 100 }, 3)]
    public void The_median_is_the_middle(double[] values, double median) => Assert.Equal(median, Of(values).Median);

    [Fact]
    public void Ratios_are_taken_round_by_round() =>
        Assert.Equal([2.0, 5, 1], Of(4, 10, 7).DividedBy(Of(2, 2, 7)).Values);

    [Fact]
    public void Samples_show_their_spread() => Assert.Equal("5 (1 - 9)", Of(9, 1, 5).ToString("0"));

    [Theory]
    [InlineData(120_000, "met", 0)]
    [InlineData(119_999, "MISSED", 1)]
    public void A_rate_is_met_from_its_reach_on(double rate, string verdict, int missed)
    {
        var figures = new FigureSet();
        figures.Add(FigureReport.Embedded, LoadKind.Put, 256, Run(rate));
        Assert.Equal((verdict, missed), Verdict(figures, "put, 256 clients "));
    }

    [Theory]
    [InlineData(0.45, "met", 0)]
    [InlineData(0.46, "MISSED", 1)]
    public void One_client_s_latency_is_held_against_three_files_flushing(double p50, string verdict, int missed)
    {
        var figures = new FigureSet();
        figures.FlushOne.Add(0.01);
        figures.FlushThree.Add(0.1);
        figures.Add(FigureReport.Embedded, LoadKind.Put, 1, Run(1000, p50));
        Assert.Equal((verdict, missed), Verdict(figures, "put, 1 client, p50"));
    }

    [Theory]
    [InlineData(12_500, "met", 0)]
    [InlineData(12_501, "MISSED", 1)]
    public void Silos_are_held_against_the_etcd_of_the_same_rounds(double etcd, string verdict, int missed)
    {
        var figures = new FigureSet();
        figures.Add(FigureReport.Orleans, LoadKind.Put, 256, Run(50_000));
        figures.Add(FigureReport.Etcd, LoadKind.Put, 256, Run(etcd));
        Assert.Equal((verdict, missed), Verdict(figures, "of etcd's in the same round"));
    }

    [Theory]
    [InlineData(1_000_000, "met")]
    [InlineData(100_000, "")]
    public void Memory_is_judged_for_a_million_keys_only(int keys, string verdict)
    {
        var figures = new FigureSet { MemoryKeys = keys };
        figures.ResidentGigabytes.Add(2.4);
        Assert.Equal((verdict, 0), Verdict(figures, "keys of 16 + 256 bytes"));
    }

    [Fact]
    public void What_was_not_measured_has_no_verdict()
    {
        var output = new StringWriter();
        var report = new FigureReport(new FigureSet());
        report.Write(output);
        Assert.Equal(0, report.Missed);
        Assert.DoesNotContain("| met", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("not measured", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_are_told_below_the_table()
    {
        var figures = new FigureSet();
        figures.Add(FigureReport.Etcd, LoadKind.Get, 256, Run(1) with { Errors = 3, FirstError = "no leader" });
        var output = new StringWriter();
        new FigureReport(figures).Write(output);
        Assert.Contains("3 errors, one of them: no leader", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_lines_up_and_escapes_its_separators()
    {
        var table = new MarkdownTable("a", "wide");
        table.Add("x|y", "1");
        var output = new StringWriter { NewLine = "\n" };
        table.Write(output);
        Assert.Equal("| a    | wide |\n| ---- | ---- |\n| x\\|y | 1    |\n", output.ToString());
    }

    private static (string Verdict, int Missed) Verdict(FigureSet figures, string work)
    {
        var output = new StringWriter();
        var report = new FigureReport(figures);
        report.Write(output);
        string row = output.ToString().Split(Environment.NewLine)
            .First(line => line.Contains(work, StringComparison.Ordinal));
        return (row.Split('|')[5].Trim(), report.Missed);
    }

    private static Measurement Run(double perSecond, double p50 = 1) =>
        new(perSecond, p50, 2, 3, 0, null, null, null, null);

    private static Samples Of(params double[] values)
    {
        var samples = new Samples();
        foreach (double value in values) samples.Add(value);
        return samples;
    }
}
