using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Xunit;
using static Orleans.Raft.Testing.StorageMachine;

namespace Orleans.Raft.Testing;

/// <summary>Random writes, truncations, snapshots, crashes and restarts against a list of all states each group went
/// through.</summary>
public sealed class StorageHistory(StorageMachine machine, int seed)
{
    private readonly Random _random = new(seed);
    private readonly StorageMachine _machine = machine;
    private readonly Dictionary<GroupId, Model> _models = new() { [G1] = new(), [G2] = new(), [G3] = new() };
    private readonly Dictionary<GroupId, MachineReplica> _replicas = [];
    private readonly Dictionary<GroupId, ulong> _ids = new() { [G1] = 1, [G2] = 1, [G3] = 1 };

    public int Restarts { get; private set; }

    public int Snapshots { get; private set; }

    public int Retirements { get; private set; }

    public long Writes { get; private set; }

    public void Go(int steps)
    {
        _machine.Open();
        OpenAll();
        for (int step = 0; step < steps; step++)
        {
            GroupId group = new((uint)_random.Next(1, 4));
            // The third one is mostly idle.
            if (group == G3 && _random.Next(20) > 0) group = G1;
            switch (_random.Next(41))
            {
                case < 28: Submit(group); break;
                case < 32: RecordSnapshot(group); break;
                case 32: Install(group); break;
                case < 37: _machine.Settle(); break;
                case 37: Reopen(group, step); break;
                case 38: Retire(group); break;
                default: Restart(step); break;
            }
        }
        Restart(steps);
    }

    private void OpenAll()
    {
        foreach (GroupId group in _models.Keys) _replicas[group] = _machine.OpenReplica(group, _ids[group]);
    }

    private void Submit(GroupId group)
    {
        Model model = _models[group];
        ulong term = model.Newest.HardState.Term.Value + (_random.Next(6) == 0 ? 1u : 0u);
        LogEntry[] entries = [];
        if (_random.Next(5) > 0)
        {
            // Mostly appends; sometimes truncates, down to the snapshot.
            ulong first = model.LastIndex + 1;
            if (_random.Next(5) == 0)
                first -= (ulong)_random.NextInt64((long)(first - model.Newest.Snapshot.Index.Value));
            int count = _random.Next(1, 6);
            entries = [.. Enumerable.Range(0, count)
                .Select(i => Entry(first + (ulong)i, term + 1, _random.Next(3) == 0 ? 0 : _random.Next(400)))];
        }
        HardState? hardState = entries.Length == 0 || _random.Next(3) == 0
            ? new HardState(new Term(term), new ReplicaId((ulong)_random.Next(4)),
                new LogIndex((ulong)_random.Next(100)))
            : null;
        _replicas[group].Submit(entries, hardState);
        model.Submitted(_replicas[group].Number, hardState, null, entries);
        Writes++;
    }

    private void RecordSnapshot(GroupId group)
    {
        _machine.Settle();
        Model model = _models[group];
        ulong first = model.Newest.Snapshot.Index.Value + 1;
        if (model.LastIndex < first) return;
        ulong index = first + (ulong)_random.NextInt64((long)(model.LastIndex - first) + 1);
        var last = new EntryId(model.TermAt(index), new LogIndex(index));
        SnapshotFile file =
            _machine.WriteSnapshot(_replicas[group].Storage, last, Content(_random.Next(2000), (int)index));
        _replicas[group].RecordSnapshot(file);
        model.Recorded(last);
        Snapshots++;
    }

    private void Install(GroupId group)
    {
        Model model = _models[group];
        // Sometimes the log reaches beyond it, with entries that never were committed.
        ulong before = model.Newest.Snapshot.Index.Value;
        ulong index = before + 1 + (ulong)_random.NextInt64((long)(model.LastIndex - before) + 10);
        EntryId last = Id(index, model.Newest.HardState.Term.Value + 1);
        _machine.WriteSnapshot(_replicas[group].Storage, last, Content(_random.Next(2000), 1));
        LogEntry[] entries = _random.Next(2) == 0 ? [] : Entries(last.Index.Value + 1, 2, last.Term.Value);
        _replicas[group].Submit(entries, null, last);
        model.Submitted(_replicas[group].Number, null, last, entries);
        Snapshots++;
    }

    private void Reopen(GroupId group, int step)
    {
        MachineReplica older = _replicas[group];
        _replicas[group] = _machine.OpenReplica(group, _ids[group]);
        // The older handle's writes were all queued before, so all of them are there.
        _models[group].Recovered(_replicas[group].State, older.Number, $"seed {seed} step {step} {group} reopened");
    }

    private void Retire(GroupId group)
    {
        _machine.Retire(group, _ids[group]++);
        _models[group] = new Model();
        _replicas[group] = _machine.OpenReplica(group, _ids[group]);
        Same.State(RaftState.Empty, _replicas[group].State);
        Retirements++;
    }

    private void Restart(int step)
    {
        var acknowledged = _machine.Die(_random,
            () => _replicas.ToDictionary(pair => pair.Key, pair => pair.Value.Observer.Durable));
        _machine.Open();
        foreach (GroupId group in _models.Keys)
        {
            _replicas[group] = _machine.OpenReplica(group, _ids[group]);
            _models[group].Recovered(_replicas[group].State, acknowledged[group], $"seed {seed} step {step} {group}");
        }
        _machine.CheckBounds($"seed {seed} step {step}");
        Restarts++;
    }

    /// <summary>What a group's storage must look like after each request, newest last.</summary>
    private sealed class Model
    {
        public List<(ulong Number, RaftState State)> States { get; } = [(0, RaftState.Empty)];

        public RaftState Newest => States[^1].State;

        public ulong LastIndex => Newest.Snapshot.Index.Value + (ulong)Newest.Entries.Length;

        public Term TermAt(ulong index) => index == Newest.Snapshot.Index.Value
            ? Newest.Snapshot.Term
            : Newest.Entries.Span[(int)(index - Newest.Snapshot.Index.Value) - 1].Term;

        public void Submitted(ulong number, HardState? hardState, EntryId? snapshot, LogEntry[] entries)
        {
            RaftState state = Newest with { HardState = hardState ?? Newest.HardState };
            if (snapshot is { } installed) state = state with { Snapshot = installed, Entries = default };
            if (entries.Length > 0)
            {
                int kept = (int)(entries[0].Index.Value - state.Snapshot.Index.Value) - 1;
                state = state with { Entries = (LogEntry[])[.. state.Entries[..kept].Span, .. entries] };
            }
            States.Add((number, state));
        }

        public void Recorded(EntryId snapshot)
        {
            int dropped = (int)(snapshot.Index.Value - Newest.Snapshot.Index.Value);
            States[^1] = (States[^1].Number, Newest with { Snapshot = snapshot, Entries = Newest.Entries[dropped..] });
        }

        /// <summary>Requires that the state is one from the last acknowledged on, and goes on from there.</summary>
        public void Recovered(RaftState found, ulong acknowledged, string where)
        {
            int index = States.FindLastIndex(state => state.Number >= acknowledged && IsSame(state.State, found));
            Assert.True(index >= 0, $"{where}: recovered {Describe(found)}; acknowledged {acknowledged} of "
                + string.Join(" | ", States.TakeLast(8).Select(state => $"{state.Number}: {Describe(state.State)}")));
            RaftState now = States[index].State;
            States.Clear();
            States.Add((0, now));
        }

        private static bool IsSame(RaftState left, RaftState right)
        {
            if (left.HardState != right.HardState || left.Snapshot != right.Snapshot
                || left.Entries.Length != right.Entries.Length) return false;
            for (int i = 0; i < left.Entries.Length; i++)
            {
                if (!Same.Equal(left.Entries.Span[i], right.Entries.Span[i])) return false;
            }
            return true;
        }

        private static string Describe(RaftState state) =>
            $"{state.HardState.Term} snapshot {state.Snapshot} entries {state.Entries.Length}"
            + (state.Entries.IsEmpty ? "" : $" to {state.Entries.Span[^1].Id}");
    }
}
