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

    // All keys are checked together: which group owns one changes.
    private const string Store = "store";

    private readonly byte[][] _prefixes;
    private readonly int _callers;

    /// <param name="groups">How many groups there are at first.</param>
    /// <param name="firstGroup">The place of the first group that shared keys are in.</param>
    /// <param name="callers">How many put keys of their own.</param>
    public Workload(int groups, int firstGroup, int callers)
    {
        // A group's first key; the first group has none, and text keys begin at "!".
        _prefixes = [[.. "!"u8], .. FormationPlan.EvenSplitKeys(groups)];
        _callers = callers;
        SharedKeys = [.. Enumerable.Range(0, SharedKeyCount)
            .Select(i => Operation.Text(_prefixes[(firstGroup + i / 2) % _prefixes.Length]) + "k" + (char)('a' + i))];
    }

    /// <summary>Two in what was a group at first, the last alone, so that scans have something to find.</summary>
    public IReadOnlyList<string> SharedKeys { get; }

    public IReadOnlyList<byte[]> Prefixes => _prefixes;

    public static Operation Get(string key) => Operation.Get(Store, key);

    /// <summary>A key that nobody else writes.</summary>
    public string OwnKey(int client, int number) => string.Create(CultureInfo.InvariantCulture,
        $"{Operation.Text(_prefixes[number % _prefixes.Length])}own-{client}-{number}");

    /// <summary>A key that is in use, or could be: often one that all fight over.</summary>
    public string AnyKey(Random random) => random.Next(2) == 0
        ? SharedKeys[random.Next(SharedKeyCount)]
        : OwnKey(random.Next(_callers), random.Next(1, 500));

    /// <summary>Reads some keys at once: often those of one prefix, else from one to another, over whatever is between
    /// them.</summary>
    public Operation AnyScan(Random random)
    {
        string first = SharedKeys[random.Next(SharedKeyCount)];
        bool isReverse = random.Next(2) == 0;
        if (random.Next(4) > 0)
            return Operation.Scan(Store, first[..^1], first[..^1] + "z", random.Next(3), isReverse);
        string last = SharedKeys[random.Next(SharedKeyCount)];
        if (string.CompareOrdinal(first, last) > 0) (first, last) = (last, first);
        return Operation.Scan(Store, first[..^1], last[..^1] + "z", random.Next(2) * random.Next(300), isReverse);
    }

    public static Operation AnyWrite(int choice, string key, Func<string> next, Func<string?> lastRead, Random random) =>
        choice switch
        {
            < 44 => Operation.Put(Store, key, next()),
            < 53 => Operation.Append(Store, key, next()),
            < 57 => Operation.Delete(Store, key),
            // Mostly what was last seen there, so that some succeed.
            _ => Operation.CompareAndSet(Store, key, random.Next(10) == 0 ? null : lastRead(),
                random.Next(8) == 0 ? null : next()),
        };

    /// <summary>A value that is never written twice; now and then a long one, so that logs and snapshots grow.</summary>
    public static string ValueOf(int client, int number, Random random)
    {
        string value = string.Create(CultureInfo.InvariantCulture, $"{client}.{number};");
        return random.Next(20) == 0 ? value.PadRight(random.Next(value.Length, LongValueBytes), '.') : value;
    }
}
