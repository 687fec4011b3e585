using System.Diagnostics.CodeAnalysis;
using Orleans.Raft.Core;

namespace Orleans.Raft.Grains;

/// <summary>The key of a <see cref="RaftPeerGrain"/>: <c>g1/silo-1</c>.</summary>
internal readonly record struct PeerKey(GroupId Group, NodeName Node)
{
    public static bool TryParse(string? text, [NotNullWhen(true)] out PeerKey? key)
    {
        key = null;
        int slash = text?.IndexOf('/') ?? -1;
        if (slash < 0 || slash == text!.Length - 1 || !GroupId.TryParse(text.AsSpan(0, slash), out GroupId group))
            return false;
        key = new PeerKey(group, new NodeName(text[(slash + 1)..]));
        return true;
    }

    public override string ToString() => $"{Group}/{Node}";
}
