using System.Globalization;
using Orleans.Raft.KeyValue;
using Operation = Orleans.Raft.Linearizability.Operation;

namespace Orleans.Raft.Simulator;

/// <summary>What clients do: keys that all of them fight over, and keys that only one of them ever writes,
/// once.</summary>
internal sealed class Workload
{
    public const int SharedKeyCount = 5;

    private const int LongValueBytes = 1500;

    private readonly RangeMap _ranges;
    private readonly byte[][] _prefixes;

    /// <param name="firstGroup">The place of the first group that shared keys are in.</param>
    public Workload(RangeMap ranges, IReadOnlyList<GroupDescriptor> groups, int firstGroup)
    {
        _ranges = ranges;
        // A group's first key; the first group has none, and text keys begin at "!".
        _prefixes = [.. groups.Select(group => group.Start.Length == 0 ? "!"u8.ToArray() : group.Start)];
        SharedKeys = [.. Enumerable.Range(0, SharedKeyCount)
            .Select(i => Operation.Text(_prefixes[(firstGroup + i / 2) % _prefixes.Length]) + "k" + (char)('a' + i))];
    }

    /// <summary>Two in a group, the last alone, so that scans have something to find.</summary>
    public IReadOnlyList<string> SharedKeys { get; }

    public IReadOnlyList<byte[]> Prefixes => _prefixes;

    public string GroupOf(string key) => _ranges.Find(Operation.Bytes(key)).Group.ToString();

    /// <summary>A key that nobody else writes.</summary>
    public string OwnKey(int client, int number) => string.Create(CultureInfo.InvariantCulture,
        $"{Operation.Text(_prefixes[number % _prefixes.Length])}own-{client}-{number}");

    /// <summary>A value that is never written twice; now and then a long one, so that logs and snapshots grow.</summary>
    public static string ValueOf(int client, int number, Random random)
    {
        string value = string.Create(CultureInfo.InvariantCulture, $"{client}.{number};");
        return random.Next(20) == 0 ? value.PadRight(random.Next(value.Length, LongValueBytes), '.') : value;
    }
}
