using System.CommandLine;

namespace Orleans.Raft.Bench.Tests;

/// <summary>What cannot be meant is an error in words, found by <c>Tests/Fuzz</c>.</summary>
public sealed class OptionTests
{
    [Theory]
    [InlineData("orleans", "--runs", "1.5", "1 to 1000")]
    [InlineData("orleans", "--runs", "0", "1 to 1000")]
    [InlineData("core", "--seconds", "1e300", "above 0 and at most 86400")]
    [InlineData("core", "--seconds", "Infinity", "above 0 and at most 86400")]
    [InlineData("core", "--seconds", "NaN", "above 0 and at most 86400")]
    [InlineData("etcd", "--warmup", "soon", "at least 0 and at most 86400")]
    [InlineData("postgresql", "--clients", "1001", "1 to 1000")]
    public void A_number_out_of_bounds_is_refused_when_it_is_read(string command, string name, string value,
        string rule)
    {
        ParseResult parsed = BenchCommands.Create(new BenchOptions()).Parse([command, name, value]);
        Assert.Contains(parsed.Errors, error => error.Message == $"{name} is {value}; it must be {rule}.");
    }

    [Fact]
    public void What_is_asked_for_is_what_is_planned()
    {
        var options = new BenchOptions();
        ParseResult parsed = BenchCommands.Create(options).Parse(["core", "--seconds", "0.5"]);
        Assert.Empty(parsed.Errors);
        Assert.Equal(TimeSpan.FromSeconds(0.5), options.Plan(parsed, clients: 1).Duration);
    }

    [Theory]
    [InlineData("host:99999")]
    [InlineData("a b:1")]
    [InlineData("")]
    [InlineData("host:1/path")]
    [InlineData("user@host:1")]
    public void An_endpoint_that_is_none_is_refused_by_name(string endpoint)
    {
        BenchException refused = Assert.Throws<BenchException>(() => EtcdConnection.AddressOf(endpoint));
        Assert.Contains($"'{endpoint}'", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1:2379")]
    [InlineData("[::1]:2379")]
    public void An_endpoint_is_a_host_and_a_port(string endpoint) =>
        Assert.Equal(endpoint, EtcdConnection.AddressOf(endpoint).Authority);
}
