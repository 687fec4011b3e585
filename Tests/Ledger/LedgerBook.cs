using System.Globalization;

namespace Orleans.Raft.Ledger;

/// <summary>What was written and what was acknowledged, kept by a process that is never killed.</summary>
public sealed class LedgerBook(ulong seed)
{
    private const string FirstCharacters = "!0@APZ_aqz~";

    private readonly List<bool> _acknowledged = [];
    private readonly Random _random = new((int)seed);

    public int Written => _acknowledged.Count;

    public int Acknowledged { get; private set; }

    /// <summary>Makes the next write: every key is written once, so any lost acknowledgement shows.</summary>
    public int Next()
    {
        _acknowledged.Add(false);
        return _acknowledged.Count - 1;
    }

    public void Acknowledge(int write)
    {
        _acknowledged[write] = true;
        Acknowledged++;
    }

    public bool IsAcknowledged(int write) => _acknowledged[write];

    /// <summary>Keys spread over all groups of a store that divides printable ASCII.</summary>
    public static string KeyOf(int write) =>
        FirstCharacters[write % FirstCharacters.Length] + write.ToString("d8", CultureInfo.InvariantCulture);

    public string ValueOf(int write) => $"v{seed}-{write}";

    /// <summary>A whole number from <paramref name="first"/> to <paramref name="last"/>, from the seed.</summary>
    public int Draw(int first, int last) => _random.Next(first, last + 1);
}

/// <summary>What a run found.</summary>
/// <param name="Lost">Acknowledged writes that were missing or different; must be empty.</param>
public sealed record LedgerResult(int Kills, int Written, int Acknowledged, int UnacknowledgedFound,
    IReadOnlyList<string> Lost);
