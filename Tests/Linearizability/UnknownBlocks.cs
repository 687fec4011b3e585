namespace Orleans.Raft.Linearizability;

/// <summary>Finds the blocks of unknown writes that lead from one value of a key to another; see <see cref="Search"/>.
/// </summary>
internal sealed class UnknownBlocks(Preparation plan)
{
    private readonly HashSet<int> _passed = [];
    private readonly List<UnknownClass> _block = []; // Last write first.

    /// <summary>The configurations after each block that leads from one value to another; the state is left as it is.
    /// None is returned that spends what another also spends, and more.</summary>
    /// <param name="overwriting">Also blocks that begin with a put or delete.</param>
    public List<Configuration> Lead(Configuration origin, int key, int present, int needed, bool overwriting)
    {
        var found = new List<Configuration>();
        _passed.Clear();
        _passed.Add(needed);
        Back(origin.Spent, needed);
        return found;

        void Back(Spent spent, int node)
        {
            if (!plan.Sources.TryGetValue((key, node), out var sources)) return;
            foreach (var (source, from) in sources)
            {
                if (spent.Of(source.Number) >= source.Available) continue;
                bool sets = source.Kind == StepKind.Overwrite;
                bool begins = sets || from == present;
                if ((sets && !overwriting) || (!begins && !_passed.Add(from))) continue;
                _block.Add(source);
                if (begins) Keep(origin, spent.With(source.Number), found);
                else Back(spent.With(source.Number), from);
                _block.RemoveAt(_block.Count - 1);
                if (!begins) _passed.Remove(from);
            }
        }
    }

    private void Keep(Configuration origin, Spent spent, List<Configuration> found)
    {
        foreach (Configuration other in found)
            if (other.Spent.IsWithin(spent, plan.Classes)) return;
        found.RemoveAll(other => spent.IsWithin(other.Spent, plan.Classes));
        Spent counted = origin.Spent;
        Trail? trail = origin.Trail;
        for (int i = _block.Count - 1; i >= 0; i--)
        {
            UnknownClass source = _block[i];
            trail = new Trail(source.Entries[counted.Of(source.Number)], trail);
            counted = counted.With(source.Number);
        }
        found.Add(origin with { Spent = counted, Trail = trail });
    }
}
