using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>The options that several commands share. Each command adds those it reads.</summary>
internal sealed class BenchOptions
{
    public Option<double> Seconds { get; } = Positive("--seconds", 10, "How long each run is measured.");

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
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => absent };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && (value < min || value > max))
                result.AddError($"{name} is {value}; it must be {min} to {max}.");
        });
        return option;
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
        Number(name, absent, description, value => value > 0, "must be above 0");

    private static Option<double> AtLeastZero(string name, double absent, string description) =>
        Number(name, absent, description, value => value >= 0, "must not be negative");

    private static Option<double> Number(string name, double absent, string description, Func<double, bool> isValid,
        string rule)
    {
        var option = new Option<double>(name) { Description = description, DefaultValueFactory = _ => absent };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is var value && !isValid(value))
                result.AddError($"{name} is {value}; it {rule}.");
        });
        return option;
    }
}
