using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <content>Faults of the network.</content>
internal sealed partial class FaultInjector
{
    // How many faults cut a direction: it works again when the last of them ends.
    private readonly Dictionary<(NodeName From, NodeName To), int> _cuts = [];

    private bool Isolate(Fault fault, Random random)
    {
        NodeName victim = Pick(random);
        Note(fault, $"{victim} is cut off");
        CutWhile(fault, [.. BothWays([victim], _cluster.AllNames.ToArray())]);
        return true;
    }

    private bool Partition(Fault fault, Random random)
    {
        NodeName[] names = Shuffled(random);
        int size = random.Next(1, names.Length);
        Note(fault, $"{string.Join(' ', names[..size])} | {string.Join(' ', names[size..])}");
        CutWhile(fault, [.. BothWays(names[..size], names[size..])]);
        return true;
    }

    private bool CutOneWay(Fault fault, Random random)
    {
        NodeName[] names = Shuffled(random);
        int ears = random.Next(1, names.Length);
        Note(fault, $"{names[0]} is not heard by {string.Join(' ', names[1..(ears + 1)])}");
        CutWhile(fault, [.. names[1..(ears + 1)].Select(to => (names[0], to))]);
        return true;
    }

    private bool CutLink(Fault fault, Random random)
    {
        NodeName[] names = Shuffled(random);
        Note(fault, $"{names[0]} and {names[1]} do not hear each other");
        CutWhile(fault, [.. BothWays([names[0]], [names[1]])]);
        return true;
    }

    private bool Swizzle(Fault fault, Random random)
    {
        NodeName[] cut = Shuffled(random), mended = Shuffled(random);
        int count = random.Next(2, cut.Length + 1);
        Note(fault, $"cut off one after the other: {string.Join(' ', cut[..count])}");
        TimeSpan step = fault.Lasting / count;
        for (int i = 0; i < count; i++)
        {
            NodeName victim = cut[i];
            (NodeName, NodeName)[] directions = [.. BothWays([victim], _cluster.AllNames.ToArray())];
            int back = Array.IndexOf(mended, victim);
            In(step * i, () => CutAll(directions));
            In(fault.Lasting + step * back, () => MendAll(directions));
        }
        return true;
    }

    private bool SlowLink(Fault fault, Random random)
    {
        NodeName[] names = Shuffled(random);
        TimeSpan most = TimeSpan.FromMilliseconds(random.Next(20, 600));
        NodeName[] ears = random.Next(2) == 0 ? names[1..] : names[1..2];
        Note(fault, $"{names[0]} to {string.Join(' ', ears)} takes up to {most.TotalMilliseconds:F0} ms");
        foreach (NodeName ear in ears) _cluster.Network.Slow(names[0], ear, most / 2, most);
        After(fault, () =>
        {
            foreach (NodeName ear in ears) _cluster.Network.Unslow(names[0], ear);
        });
        return true;
    }

    private bool WorsenNetwork(Fault fault, Random random)
    {
        double share = 0.05 + 0.35 * random.NextDouble();
        NetworkFaults faults = _cluster.Network.Faults;
        switch (fault.Kind)
        {
            case FaultKind.Loss:
                _cluster.Network.Faults = faults with { Loss = share };
                _cluster.ClientLoss = share / 2;
                break;
            case FaultKind.Duplication: _cluster.Network.Faults = faults with { Duplication = share }; break;
            default:
                _cluster.Network.Faults = faults with
                {
                    LongTail = share / 2,
                    LongTailMost = TimeSpan.FromMilliseconds(random.Next(100, 3000)),
                };
                break;
        }
        Note(fault, $"of {share:P0} of the frames");
        After(fault, () => EaseNetwork(fault.Kind));
        return true;
    }

    private void EaseNetwork(FaultKind kind)
    {
        NetworkFaults faults = _cluster.Network.Faults;
        _cluster.Network.Faults = kind switch
        {
            FaultKind.Loss => faults with { Loss = _calmNetwork.Loss },
            FaultKind.Duplication => faults with { Duplication = _calmNetwork.Duplication },
            _ => faults with { LongTail = _calmNetwork.LongTail, LongTailMost = _calmNetwork.LongTailMost },
        };
        if (kind == FaultKind.Loss) _cluster.ClientLoss = _calmClientLoss;
    }

    private void CutWhile(Fault fault, (NodeName From, NodeName To)[] directions) =>
        CutFor(fault.Lasting, directions);

    private void CutFor(TimeSpan lasting, (NodeName From, NodeName To)[] directions)
    {
        CutAll(directions);
        In(lasting, () => MendAll(directions));
    }

    private void CutAll((NodeName From, NodeName To)[] directions)
    {
        foreach ((NodeName from, NodeName to) in directions)
        {
            _cuts[(from, to)] = _cuts.GetValueOrDefault((from, to)) + 1;
            _cluster.Network.Cut(from, to);
        }
    }

    private void MendAll((NodeName From, NodeName To)[] directions)
    {
        foreach ((NodeName from, NodeName to) in directions)
            if (--_cuts[(from, to)] == 0) _cluster.Network.Mend(from, to);
        _trace.Note($"mended: {string.Join(' ', directions.Select(d => d.From).Distinct())} to "
            + $"{string.Join(' ', directions.Select(d => d.To).Distinct())}");
    }

    private static IEnumerable<(NodeName From, NodeName To)> BothWays(
        IReadOnlyList<NodeName> some, IReadOnlyList<NodeName> others)
    {
        foreach (NodeName one in some)
        {
            foreach (NodeName other in others)
            {
                if (one == other) continue;
                yield return (one, other);
                yield return (other, one);
            }
        }
    }
}
