using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Orleans.Raft.Bench;

/// <summary>The options that several commands share. Each command adds those it reads.</summary>
internal sealed class BenchOptions
{
    private const double MaxSeconds = 86_400;

    public Option<double> Seconds { get; } = Positive("--seconds", 10, "How long each run is measured, at most a day.");

    public Option<double> WarmUp { get; } =
        AtLeastZero("--warmup", 10, "Seconds each run goes on before it is measured.");

    public Option<int> Runs { get; } = Count("--runs", 1, 1000, "How often; medians are printed.", 1);

    public Option<int[]> Clients { get; } = new("--clients")
    {
        Description = "Callers at once, each with one operation in flight; several numbers give several rows.",
        AllowMultipleArgumentsPerToken = true,
    };

    public Option<int> Keys { get; } = Count("--keys", 1, 100_000_000, "How many keys.", 100_000);

    public Option<int> ValueBytes { get; } = Count("--value-bytes", 0, 1 << 20, "Size of a value.", 256);

    public Option<long> Seed { get; } =
        new("--seed") { Description = "Chooses keys and values.", DefaultValueFactory = _ => 1 };

    public Option<string> Data { get; } = new("--data")
    {
        Description = "A directory on the disk to measure; what a run writes there is removed after it.",
        DefaultValueFactory = _ => Path.Combine(Path.GetTempPath(), "orleans-raft-bench"),
    };

    public Option<string?> Etcd { get; } =
        new("--etcd") { Description = "etcd's endpoints: host:port,host:port,... (all members)." };

    public Option<EtcdTarget> EtcdTarget { get; } = new("--etcd-target")
    {
        Description = "Which members of etcd are asked: all in turn, or the leader alone.",
        DefaultValueFactory = _ => Bench.EtcdTarget.All,
    };

    public Option<int> EtcdConnections { get; } =
        Count("--etcd-connections", 1, 1000, "HTTP/2 connections per member of etcd that is asked.", 1);

    public Option<string?> Kv { get; } = new("--kv")
    {
        Description =
            "The command that opens a shell on running silos, for example \"dotnet Orleans.Raft.Client.dll --gateways "
            + "...\"; " +
            "it is given one bench command on its standard input.",
    };

    public static Option<int> Count(string name, int min, int max, string description, int absent)
    {
        return new Option<int>(name)
        {
            Description = description,
            DefaultValueFactory = _ => absent,
            CustomParser = result => Read<int>(result, text =>
                int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int value)
                    && value >= min && value <= max ? value : null, $"{min} to {max}"),
        };
    }

    /// <summary>The plan that the options ask for, with this many clients.</summary>
    public LoadPlan Plan(ParseResult parsed, int clients) => new(
        clients, TimeSpan.FromSeconds(parsed.GetValue(Seconds)), TimeSpan.FromSeconds(parsed.GetValue(WarmUp)),
        parsed.GetValue(Keys), parsed.GetValue(ValueBytes), (ulong)parsed.GetValue(Seed));

    /// <summary>Where etcd is; null if it was not said.</summary>
    public EtcdOptions? EtcdOptions(ParseResult parsed) => parsed.GetValue(Etcd) is { Length: > 0 } list
        ? new EtcdOptions(list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            parsed.GetValue(EtcdTarget), parsed.GetValue(EtcdConnections))
        : null;

    private static Option<double> Positive(string name, double absent, string description) =>
        Duration(name, absent, description, value => value > 0, "above 0");

    private static Option<double> AtLeastZero(string name, double absent, string description) =>
        Duration(name, absent, description, value => value >= 0, "at least 0");

    private static Option<double> Duration(string name, double absent, string description, Func<double, bool> isValid,
        string least) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => absent,
        CustomParser = result => Read<double>(result, text =>
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && isValid(value) && value <= MaxSeconds ? value : null, $"{least} and at most {MaxSeconds}"),
    };

    /// <summary>The value of an option, or an error that says what it must be. A validator would be too late: it is
    /// called for what is no number too, and cannot ask for its value.</summary>
    private static T Read<T>(ArgumentResult result, Func<string, T?> read, string rule)
        where T : struct
    {
        // How many there may be the parser says itself.
        if (result.Tokens.Count != 1) return default;
        if (read(result.Tokens[0].Value) is { } value) return value;
        string option = ((OptionResult)result.Parent!).Option.Name;
        result.AddError($"{option} is {result.Tokens[0].Value}; it must be {rule}.");
        return default;
    }
}
