using System.CommandLine;
using Orleans.Raft.CommandLine;

namespace Orleans.Raft.Fuzz;

/// <summary>What the fuzzer was asked for.</summary>
/// <param name="Targets">Names; empty for all.</param>
/// <param name="Number">The one input to run; null: <paramref name="Inputs"/> from the first on.</param>
/// <param name="Limit">Null: however long it takes.</param>
internal sealed record RunPlan(IReadOnlyList<string> Targets, long Inputs, ulong Seed, long? Number, TimeSpan? Limit);

/// <summary>The command line of the fuzzer.</summary>
internal sealed class RunArguments
{
    // Times a target's weight, this is still a number.
    private const long MostInputs = 1_000_000_000_000;

    private readonly Option<string[]> _targets;
    private readonly Option<long> _inputs = StrictCommandLine.Number("--inputs", 1_000_000, 1, MostInputs,
        "Inputs over all targets, shared out by their weight.");
    private readonly Option<ulong> _seed = StrictCommandLine.Number<ulong>("--seed", 1, 0, ulong.MaxValue,
        "Draws the inputs.");
    private readonly Option<long?> _number = StrictCommandLine.Number("--number", 0, long.MaxValue,
        "Runs this one input of the target.");
    private readonly Option<double?> _minutes = StrictCommandLine.Number("--minutes", 0.001, 100_000,
        "Stops after so long, whatever was asked for.");

    /// <param name="targets">The names there are.</param>
    public RunArguments(IReadOnlyCollection<string> targets)
    {
        _targets = StrictCommandLine.List("--target", "Which targets, with commas; all without it.", targets);
        Root = new RootCommand("Feeds everything that reads bytes or text from outside with valid, damaged and forged "
            + "inputs. Exit 1 on a finding.") { _targets, _inputs, _seed, _number, _minutes };
    }

    public RootCommand Root { get; }

    public RunPlan Read(ParseResult parsed) => new(parsed.GetValue(_targets) ?? [], parsed.GetValue(_inputs),
        parsed.GetValue(_seed), parsed.GetValue(_number),
        parsed.GetValue(_minutes) is { } minutes ? TimeSpan.FromMinutes(minutes) : null);
}
