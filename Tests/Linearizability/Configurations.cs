using System.Runtime.InteropServices;

namespace Orleans.Raft.Linearizability;

/// <summary>A set of configurations without those that another makes needless.</summary>
internal sealed class Configurations(List<UnknownClass> classes)
{
    private readonly Dictionary<(UInt128 Taken, int State), List<Configuration>> _members = [];

    public IEnumerable<Configuration> Members => _members.Values.SelectMany(list => list);

    public int Count { get; private set; }

    /// <summary>Adds a configuration unless one is there with the same operations taken, the same state, and
    /// operations of unknown outcome left that do all that the new one's can: it can go on in every way the new one
    /// can.
    /// </summary>
    public bool Add(Configuration added)
    {
        ref var list = ref CollectionsMarshal.GetValueRefOrAddDefault(_members, (added.Taken, added.State), out _);
        if (list is null)
        {
            list = [added];
            Count++;
            return true;
        }
        foreach (Configuration other in list)
            if (other.Spent.IsWithin(added.Spent, classes)) return false;
        Count += 1 - list.RemoveAll(other => added.Spent.IsWithin(other.Spent, classes));
        list.Add(added);
        return true;
    }

    public void Clear()
    {
        _members.Clear();
        Count = 0;
    }
}
