using System.Globalization;
using System.Text;

namespace Orleans.Raft.Hosts;

/// <summary>
/// What the bridge drops without a word: no answer tells a sender that nothing arrives. Hosts still find each other's
/// hardware addresses, as a router between them would answer for its own: otherwise a sender would soon be told that
/// there is no way.
/// </summary>
/// <param name="table">Of nft; it holds these rules and no others.</param>
internal sealed class CutRules(string table)
{
    private readonly List<string> _rules = [];

    /// <summary>Nothing arrives that one of some ports sends to one of others.</summary>
    public CutRules Cut(IEnumerable<string> from, IEnumerable<string> to)
    {
        _rules.Add($"iifname {Set(from)} oifname {Set(to)} drop");
        return this;
    }

    /// <summary>So many of a hundred packets between some ports and all others are lost.</summary>
    public CutRules Lose(IEnumerable<string> ports, int percent)
    {
        string random = string.Create(CultureInfo.InvariantCulture, $"numgen random mod 100 < {percent} drop");
        string set = Set(ports);
        _rules.Add($"iifname {set} {random}");
        _rules.Add($"oifname {set} {random}");
        return this;
    }

    /// <summary>The rules as a file for nft, which takes all of it or nothing.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"table bridge {table}\ndelete table bridge {table}\n");
        text.Append($"table bridge {table} {{\nchain forward {{\ntype filter hook forward priority 0; policy accept;\n")
            .Append("ether type arp accept\nicmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n");
        foreach (string rule in _rules) text.Append(rule).Append('\n');
        return text.Append("}\n}\n").ToString();
    }

    private static string Set(IEnumerable<string> ports) =>
        $"{{ {string.Join(", ", ports.Select(port => $"\"{port}\""))} }}";
}
