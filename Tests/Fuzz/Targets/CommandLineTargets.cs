using System.CommandLine;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Chaos;
using Orleans.Raft.Embedded;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Ledger;

namespace Orleans.Raft.Fuzz;

/// <summary>The command line of the embedded host.</summary>
internal sealed class EmbeddedOptionsTarget : CommandLineTarget
{
    // One for each node, whatever their number.
    private static readonly string s_zones = string.Join(',', Enumerable.Range(0, 64).Select(i => i % 3 == 0 ? "" : "z"));

    private readonly EmbeddedArguments _arguments;

    public EmbeddedOptionsTarget()
        : this(new EmbeddedArguments())
    {
    }

    private EmbeddedOptionsTarget(EmbeddedArguments arguments)
        : base(arguments.Root, "--data a @b ./c", "--nodes 1 3 64", "--split-at a,b @ \\x00,a", "--no-fsync",
            $"--zones {s_zones}", "--replicas 1 3 9", "--split-size 2 64 1048576", "--merge-size 0 1",
            "--gone-after 5 600 1073741824", "--moves 1 4 1000", "--no-balance", "--no-color", "--verbose")
    {
        _arguments = arguments;
        arguments.Root.SetAction(_ => 0);
    }

    public override string Name => "embedded-options";

    // A plan of 4,096 groups has a record of some hundred KiB.
    public override long AllocationBound(int inputLength) => 8_000_000 + (5_000L * inputLength);

    protected override object? Meaning(ParseResult parsed)
    {
        EmbeddedOptions options = _arguments.Read(parsed, NullLoggerFactory.Instance);
        if (options.Validate().Count > 0) return null;
        try
        {
            FormationPlan.Create(options.NodeNames, options.SplitKeys
                ?? FormationPlan.EvenSplitKeys(options.Groups ?? StoreNodeOptions.DefaultGroups), options.Limits);
            return options;
        }
        catch (FormationException)
        {
            return null;
        }
    }

    protected override void RequireMeant(Said said, string[] rest, object meaning)
    {
        var options = (EmbeddedOptions)meaning;
        RequireNothing(rest);
        said.Require("--data", options.DataDirectory, "./data");
        said.Require("--nodes", options.Nodes, 3);
        said.Require("--groups", options.Groups, null);
        said.Require("--zones", options.Zones is { } zones ? string.Join(',', zones) : null, null);
        said.Require("--no-fsync", !options.FlushToDisk, false);
        PlacementOptions placement = options.Controller.Placement;
        said.Require("--replicas", placement.ReplicaCount, 3);
        said.Require("--split-size", placement.SplitBytes >> 20, 64L);
        said.Require("--merge-size", placement.MergeBytes >> 20, 0L);
        said.Require("--gone-after", (long)placement.GoneAfter.TotalSeconds, 600L);
        said.Require("--moves", placement.MaxMoves, 4);
        said.Require("--no-balance", !options.Controller.IsBalanceOn, false);
        // Escapes are shell-words' business.
        if (said["--split-at"] is { } keys && !keys.Contains('\\', StringComparison.Ordinal))
            said.Require("--split-at", string.Join(',', options.SplitKeys!.Select(Encoding.UTF8.GetString)), null);
    }
}

/// <summary>The command line of the ledger.</summary>
internal sealed class LedgerOptionsTarget : CommandLineTarget
{
    private readonly LedgerArguments _arguments;

    public LedgerOptionsTarget()
        : this(new LedgerArguments())
    {
    }

    private LedgerOptionsTarget(LedgerArguments arguments)
        : base(arguments.Root, "--host embedded silos all-silos", "--kills 0 20 1000000", "--acks 1 50000",
            "--seed 0 7 18446744073709551615", "--data a @b", "--recover-within 0.5 2 3600")
    {
        _arguments = arguments;
        arguments.Root.SetAction(_ => 0);
    }

    public override string Name => "ledger-options";

    protected override object Meaning(ParseResult parsed) => _arguments.Read(parsed);

    protected override void RequireMeant(Said said, string[] rest, object meaning)
    {
        var plan = (LedgerPlan)meaning;
        RequireNothing(rest);
        said.Require("--host", plan.Host, "embedded");
        said.Require("--kills", plan.Kills, 20);
        said.Require("--acks", plan.Acknowledgements, 50_000);
        said.Require("--seed", plan.Seed, 1UL);
        said.Require("--data", plan.Data, null);
        said.Require("--recover-within", plan.RecoverWithinSeconds, null);
    }
}

/// <summary>The command line of chaos.</summary>
internal sealed class ChaosOptionsTarget : CommandLineTarget
{
    private readonly ChaosArguments _arguments;

    public ChaosOptionsTarget()
        : this(new ChaosArguments())
    {
    }

    private ChaosOptionsTarget(ChaosArguments arguments)
        : base(arguments.Root, "--host silos embedded", "--seconds 0.5 60 86400", "--seed 0 7 2147483647",
            "--clients 1 8", "--rate 1 400", "--faults kill kill,stop,full", "--data a @b")
    {
        _arguments = arguments;
        arguments.Root.SetAction(_ => 0);
        arguments.Store.SetAction(_ => 0);
    }

    public override string Name => "chaos-options";

    protected override object Meaning(ParseResult parsed) => _arguments.Read(parsed);

    protected override void RequireMeant(Said said, string[] rest, object meaning)
    {
        var command = (ChaosCommand)meaning;
        RequireNothing(rest);
        said.Require("--host", command.Host, "silos");
        if (said["--minutes"] is null) said.Require("--seconds", command.Duration, TimeSpan.FromSeconds(60));
        else said.Require("--minutes", command.Duration / 60, null);
        if (said["--seed"] is not null) said.Require("--seed", command.Seed, null);
        said.Require("--clients", command.Clients, 8);
        said.Require("--rate", command.Rate, 400.0);
        said.Require("--faults", command.Faults is null ? null : string.Join(',', command.Faults), null);
        said.Require("--data", command.Data, null);
    }
}

/// <summary>The command line of the fuzzer itself.</summary>
internal sealed class FuzzOptionsTarget : CommandLineTarget
{
    private readonly RunArguments _arguments;

    public FuzzOptionsTarget()
        : this(new RunArguments(["frame", "limits", "storage"]))
    {
    }

    private FuzzOptionsTarget(RunArguments arguments)
        : base(arguments.Root, "--target frame limits limits,storage", "--inputs 1 500 1000000000000",
            "--seed 0 7 18446744073709551615", "--number 0 9223372036854775807", "--minutes 0.5 60")
    {
        _arguments = arguments;
        arguments.Root.SetAction(_ => 0);
    }

    public override string Name => "fuzz-options";

    protected override object Meaning(ParseResult parsed) => _arguments.Read(parsed);

    protected override void RequireMeant(Said said, string[] rest, object meaning)
    {
        var plan = (RunPlan)meaning;
        RequireNothing(rest);
        said.Require("--target", string.Join(',', plan.Targets), "");
        said.Require("--inputs", plan.Inputs, 1_000_000L);
        said.Require("--seed", plan.Seed, 1UL);
        said.Require("--number", plan.Number, null);
        said.Require("--minutes", plan.Limit / 60, null);
    }
}
