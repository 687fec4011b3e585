namespace Orleans.Raft.Linearizability;

/// <summary>
/// The search for an order of one part's operations. It goes through the returns in order and keeps all configurations
/// that explain everything returned so far; a return leaves those in which the operation has taken effect. So time and
/// memory depend on how many configurations there are at one moment, not on the length of the history.
/// </summary>
/// <remarks>
/// Written out, that would be far too many. These reductions keep them few; each takes any order that explains the
/// history and turns it into one that the search finds.
/// <list type="number">
/// <item><b>Late.</b> An operation takes effect only in a sequence that ends with the one whose return is due: what
/// comes after that one can as well wait for the next return (Lowe's just-in-time linearization).</item>
/// <item><b>Dead values.</b> A value that no answer still to come shows, nor any value that can grow from it, is
/// <see cref="ValueGraph.Dead"/>, like all others of the kind: they allow the same answers, none.</item>
/// <item><b>Unknown writes come just before an operation that needs them.</b> A write of unknown outcome has no return,
/// so it may move later, past all operations that do not touch its key, and may be left out. Followed by a write that
/// overwrites it, it is left out: nobody saw it. Followed by a read, an applied compare-and-set or an append, it stays
/// where it is, so unknown writes form blocks before such operations. Before a read or a compare-and-set the block must
/// end in the value needed, before an append in one from which the append leads to a value that is not dead: otherwise
/// the block is left out, since a dead value allows nothing that another does not allow. A block never passes one value
/// twice: what lies between is left out. A put or delete begins its block.</item>
/// <item><b>Unknown writes that do the same are interchangeable</b>, and those invoked may all be used from then on, so
/// it is enough to count them; the oldest goes first. An unspent one need not be used, so of two configurations that
/// differ only in what they spent, one that spent no more of any is enough. Nor is one needed that spent a delete where
/// another spent a compare-and-set that removes the key (or a put where another exchanged for the same value): the
/// delete that is left does all that the compare-and-set could.</item>
/// <item><b>Reads at once.</b> A read in flight whose answer fits the present state is taken at once: an order in which
/// it comes later stays right with the read moved here, as it changes nothing.</item>
/// <item><b>Dead writes.</b> A write in flight that can only leave a dead value is taken just before a write that
/// overwrites it (one of unknown outcome too), or when its key is dead anyway, or at its return: between it and the
/// next overwriting write no answer depends on the key, so it can move there, or up to its return if that comes
/// first.</item>
/// <item><b>Strangers wait.</b> An operation that shares no key with the one that is due, directly or through others in
/// flight, commutes with all that matter to it and can come after it.</item>
/// </list>
/// </remarks>
internal sealed class Search
{
    private const int MostInFlight = 128;

    private readonly Preparation _plan;
    private readonly Step?[] _slots = new Step?[MostInFlight];
    private readonly int[] _slotOf;
    private readonly StateTable _states = new();
    private readonly Configurations _seen;
    private readonly Stack<Configuration> _open = new();
    private readonly UnknownBlocks _blocks;
    private Configurations _frontier;
    private Configurations _next;
    private int _slotCount;
    private int _now;
    private int _dueSlot;
    private long _visited;

    public Search(Part part)
    {
        _plan = new Preparation(part);
        _blocks = new UnknownBlocks(_plan);
        _seen = new Configurations(_plan.Classes);
        _frontier = new Configurations(_plan.Classes);
        _next = new Configurations(_plan.Classes);
        _slotOf = new int[part.Entries.Count];
    }

    public PartVerdict Run()
    {
        var nothing = new int[_plan.Part.Keys.Count];
        Array.Fill(nothing, ValueGraph.Absent);
        _frontier.Add(new Configuration(UInt128.Zero, _states.Number(nothing), Spent.Nothing, null));
        for (_now = 0; _now < _plan.Events.Length; _now++)
        {
            (int entry, bool isReturn) = _plan.Events[_now];
            if (!isReturn) Invoke(entry);
            else if (!Return(entry)) return Violation(entry);
        }
        return Verdict(_frontier.Members.First().Trail, null, []);
    }

    private void Invoke(int entry)
    {
        if (_plan.Steps[entry] is not { } step)
        {
            if (_plan.ClassOf[entry] is { } unknown) unknown.Available++;
            return;
        }
        int slot = Array.IndexOf(_slots, null);
        if (slot < 0)
            throw new ArgumentException($"More than {MostInFlight} answered operations overlap at one moment.");
        _slots[slot] = step;
        _slotOf[entry] = slot;
        _slotCount = Math.Max(_slotCount, slot + 1);
    }

    /// <returns>False: nothing explains the operation.</returns>
    private bool Return(int entry)
    {
        _dueSlot = _slotOf[entry];
        Step due = _slots[_dueSlot]!;
        UInt128 helpers = Related(due);
        _seen.Clear();
        _next.Clear();
        foreach (Configuration configuration in _frontier.Members) Reach(configuration);
        while (_open.TryPop(out Configuration? configuration))
        {
            for (UInt128 left = helpers & ~configuration.Taken; left != 0; left &= left - 1)
                Take(configuration, (int)UInt128.TrailingZeroCount(left));
        }
        if (_next.Count == 0) return false;
        (_frontier, _next) = (_next, _frontier);
        _slots[_dueSlot] = null;
        return true;
    }

    /// <summary>The operations in flight that can matter to the one that is due, and itself.</summary>
    private UInt128 Related(Step due)
    {
        UInt128 related = Bit(_dueSlot);
        var keys = new bool[_plan.Part.Keys.Count];
        foreach (int key in due.Keys) keys[key] = true;
        for (bool grown = true; grown;)
        {
            grown = false;
            for (int slot = 0; slot < _slotCount; slot++)
            {
                if (_slots[slot] is not { } step || (related & Bit(slot)) != 0) continue;
                if (!step.Keys.Any(key => keys[key])) continue;
                related |= Bit(slot);
                foreach (int key in step.Keys) keys[key] = true;
                grown = true;
            }
        }
        for (int slot = 0; slot < _slotCount; slot++)
            if (slot != _dueSlot && _slots[slot] is { } step && IsDead(step)) related &= ~Bit(slot);
        return related;
    }

    /// <summary>A configuration is reached: what can be taken at once is taken, then it is kept, or kept for the next
    /// return if the operation that is due has taken effect.</summary>
    private void Reach(Configuration reached)
    {
        _visited++;
        int state = reached.State;
        int[] values = _states[state];
        for (int key = 0; key < values.Length; key++)
        {
            if (values[key] == ValueGraph.Dead || _plan.Graphs[key].NeededUntil(values[key]) >= _now) continue;
            state = _states.With(state, key, ValueGraph.Dead);
        }
        values = _states[state];
        (UInt128 taken, Trail? trail) = (reached.Taken, reached.Trail);
        for (int slot = 0; slot < _slotCount; slot++)
        {
            if (_slots[slot] is not { } step || (taken & Bit(slot)) != 0) continue;
            bool atOnce = step.Kind == StepKind.Observe
                ? Fits(step, values)
                : values[step.Key] == ValueGraph.Dead && IsDead(step);
            if (!atOnce) continue;
            taken |= Bit(slot);
            trail = new Trail(step.Entry, trail);
        }
        Spent spent = reached.Spent.Without(_plan.Classes, _now);
        if ((taken & Bit(_dueSlot)) != 0)
        {
            _next.Add(new Configuration(taken & ~Bit(_dueSlot), state, spent, trail));
            return;
        }
        var configuration = new Configuration(taken, state, spent, trail);
        if (_seen.Add(configuration)) _open.Push(configuration);
    }

    /// <summary>Takes one operation in flight, in all ways that make sense.</summary>
    private void Take(Configuration origin, int slot)
    {
        Step step = _slots[slot]!;
        int[] values = _states[origin.State];
        switch (step.Kind)
        {
            case StepKind.Observe or StepKind.Exchange:
                Satisfy(origin, slot, step, 0);
                break;
            case StepKind.Overwrite:
                Advance(TakeDeadWrites(origin, slot, step.Key), slot, step.Target);
                break;
            default:
                ValueGraph graph = _plan.Graphs[step.Key];
                int plain = graph.Append(values[step.Key], step.Target);
                if (graph.NeededUntil(plain) < _now) Advance(origin, slot, ValueGraph.Dead);
                foreach (var (before, after) in graph.EdgesOf(step.Target))
                {
                    if (graph.NeededUntil(after) < _now) continue;
                    foreach (Configuration led in Lead(origin, slot, step.Key, before))
                        Advance(led, slot, after);
                }
                break;
        }
    }

    /// <summary>Meets the needs of an operation one by one, with unknown writes where they are not met, and takes it.
    /// </summary>
    private void Satisfy(Configuration origin, int slot, Step step, int need)
    {
        if (need == step.Needs.Length)
        {
            if (step.Kind == StepKind.Exchange) Advance(origin, slot, step.Target);
            else Reach(origin with { Taken = origin.Taken | Bit(slot), Trail = new Trail(step.Entry, origin.Trail) });
            return;
        }
        (int key, int node) = step.Needs[need];
        foreach (Configuration led in Lead(origin, slot, key, node))
            Satisfy(led with { State = _states.With(led.State, key, node) }, slot, step, need + 1);
    }

    /// <summary>All ways in which a value can be there, with unknown writes or without. Blocks that begin with a put or
    /// delete take the dead writes in flight with them, so they are worth it even if the value is there
    /// already.</summary>
    private List<Configuration> Lead(Configuration origin, int slot, int key, int node)
    {
        int present = _states[origin.State][key];
        Configuration overwritten = TakeDeadWrites(origin, slot, key);
        bool sameTaken = overwritten.Taken == origin.Taken;
        List<Configuration> found = present == node ? [origin] : _blocks.Lead(origin, key, present, node, sameTaken);
        if (!sameTaken) found.AddRange(_blocks.Lead(overwritten, key, ValueGraph.Dead, node, true));
        return found;
    }

    private void Advance(Configuration origin, int slot, int node)
    {
        Step step = _slots[slot]!;
        Reach(origin with
        {
            Taken = origin.Taken | Bit(slot),
            State = _states.With(origin.State, step.Key, node),
            Trail = new Trail(step.Entry, origin.Trail),
        });
    }

    /// <summary>Takes the dead writes in flight to a key that is about to be overwritten.</summary>
    private Configuration TakeDeadWrites(Configuration origin, int except, int key)
    {
        (UInt128 taken, Trail? trail) = (origin.Taken, origin.Trail);
        for (int slot = 0; slot < _slotCount; slot++)
        {
            if (slot == except || _slots[slot] is not { } step || (taken & Bit(slot)) != 0) continue;
            if (step.Kind == StepKind.Observe || step.Key != key || !IsDead(step)) continue;
            taken |= Bit(slot);
            trail = new Trail(step.Entry, trail);
        }
        return taken == origin.Taken ? origin : origin with { Taken = taken, Trail = trail };
    }

    /// <summary>Whether a write leaves a dead value, whatever it finds.</summary>
    private bool IsDead(Step step)
    {
        if (step.Kind == StepKind.Overwrite)
            return step.Target == ValueGraph.Dead || _plan.Graphs[step.Key].NeededUntil(step.Target) < _now;
        if (step.Kind != StepKind.Append) return false;
        ValueGraph graph = _plan.Graphs[step.Key];
        foreach (var (_, after) in graph.EdgesOf(step.Target))
            if (graph.NeededUntil(after) >= _now) return false;
        return true;
    }

    private static bool Fits(Step step, int[] values)
    {
        foreach (var (key, node) in step.Needs)
            if (values[key] != node) return false;
        return true;
    }

    private static UInt128 Bit(int slot) => UInt128.One << slot;

    private PartVerdict Violation(int entry)
    {
        Step misfit = _plan.Steps[entry]!;
        Trail? longest = null;
        var possible = new SortedSet<string>(StringComparer.Ordinal);
        foreach (Configuration configuration in _seen.Members)
        {
            if ((configuration.Trail?.Length ?? 0) > (longest?.Length ?? -1)) longest = configuration.Trail;
            int[] values = _states[configuration.State];
            possible.Add(string.Join(", ", misfit.Keys.Distinct().Select(key =>
                $"{_plan.Part.Keys[key]} = {_plan.Graphs[key].Describe(values[key])}")));
        }
        return Verdict(longest, _plan.Part.Entries[entry], [.. possible.Take(8)]);
    }

    private PartVerdict Verdict(Trail? trail, HistoryEntry? misfit, IReadOnlyList<string> possible)
    {
        var order = new HistoryEntry[trail?.Length ?? 0];
        for (; trail is not null; trail = trail.Previous) order[trail.Length - 1] = _plan.Part.Entries[trail.Entry];
        return new PartVerdict(_plan.Part.Partition, _plan.Part.Keys, _plan.Part.Entries.Count, order, misfit, possible,
            _visited);
    }
}
