using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <summary>What to simulate.</summary>
public sealed record SimulationOptions
{
    public ulong Seed { get; init; } = 1;

    public int Nodes { get; init; } = 5;

    public int Groups { get; init; } = 4;

    public int Clients { get; init; } = 16;

    /// <summary>How long faults and load go on, in simulated time.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What the nodes keep their data on; null: drawn from the seed.</summary>
    public SimulatedStorage? Storage { get; init; }

    /// <summary>What the nodes keep their data on; of seeds about every third means databases. Nothing else is drawn
    /// with it, so that a seed is the same run whether its storage is drawn or named.</summary>
    public SimulatedStorage StorageUsed => Storage
        ?? ((Seed * 0x9e3779b97f4a7c15 >> 40) % 3 == 0 ? SimulatedStorage.Databases : SimulatedStorage.Disks);

    /// <summary>The kinds of faults that may occur, as far as the storage has them. Default all.</summary>
    public IReadOnlyList<FaultKind> Faults { get; init; } = Enum.GetValues<FaultKind>();

    /// <summary>The numbers of the faults that occur, the others of the schedule are left out; null: all.</summary>
    public IReadOnlySet<int>? Keep { get; init; }

    /// <summary>The deliberate bug that all nodes have; null: none.</summary>
    internal FaultPoint? Bug { get; init; }

    /// <summary>The arguments that repeat this run.</summary>
    public string Arguments
    {
        get
        {
            string arguments = $"--seed {Seed} --nodes {Nodes} --groups {Groups} --seconds {Duration.TotalSeconds:R}";
            if (Faults.Count < Enum.GetValues<FaultKind>().Length)
                arguments += " --faults "
                    + (Faults.Count == 0 ? "none" : string.Join(',', Faults.Select(FaultSchedule.NameOf)));
            if (Storage is { } storage) arguments += $" --storage {storage.ToString().ToLowerInvariant()}";
            if (Bug is { } bug) arguments += $" --bug {bug}";
            return Keep is null ? arguments : $"{arguments} --keep {(Keep.Count == 0 ? "none"
                : string.Join(',', Keep.Order()))}";
        }
    }
}
