namespace Orleans.Raft.Hosts;

/// <summary>Ways to part hosts from each other. All drop packets and tell nobody.</summary>
/// <param name="Name">As <c>--cuts</c> has it.</param>
/// <param name="Hears">The minority hears the majority.</param>
/// <param name="IsHeard">The majority hears the minority.</param>
/// <param name="ClientsReachIt">The clients of all silos still reach those of the minority.</param>
internal sealed record CutKind(string Name, bool Hears = false, bool IsHeard = false, bool ClientsReachIt = false,
    bool IsSplit = false)
{
    /// <summary>How many hosts there must be for the minority to be two.</summary>
    private const int HostsToSplit = 5;

    private static readonly CutKind[] s_all =
    [
        new("alone"),
        new("peers", ClientsReachIt: true),
        new("deaf", IsHeard: true),
        new("mute", Hears: true),
        new("split", IsSplit: true),
    ];

    public static IReadOnlyList<CutKind> Of(int hosts) =>
        [.. s_all.Where(kind => !kind.IsSplit || hosts >= HostsToSplit)];

    /// <summary>Draws the minority, silos from 0.</summary>
    public int[] Draw(int hosts, Random random)
    {
        int[] all = [.. Enumerable.Range(0, hosts)];
        random.Shuffle(all);
        return [.. all.Take(IsSplit ? (hosts - 1) / 2 : 1).Order()];
    }

    /// <param name="inside">Ports of the minority.</param>
    /// <param name="outside">Ports of the other silos.</param>
    /// <param name="clients">Ports of the clients of all silos, and of what silos are clients of.</param>
    public CutRules Rules(string table, string[] inside, string[] outside, string[] clients)
    {
        var rules = new CutRules(table);
        string[] parted = ClientsReachIt ? outside : [.. outside, .. clients];
        if (!Hears) rules.Cut(parted, inside);
        if (!IsHeard) rules.Cut(inside, parted);
        return rules;
    }
}
