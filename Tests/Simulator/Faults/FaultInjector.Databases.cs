using Orleans.Raft.Core;
using Orleans.Raft.Storage.PostgreSql;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Simulator;

/// <content>Faults of nodes whose storage is a slot in a database, which any process may open.</content>
internal sealed partial class FaultInjector
{
    /// <summary>A node is taken for dead and opened elsewhere. It may stand still then, or have a flush on its way that
    /// arrives only later; some of the others go on talking to it, or are cut off together with it, from its database,
    /// too: then it cannot know.</summary>
    private bool OpenElsewhere(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim) return false;
        NodeName[] others = [.. _cluster.AllNames.Where(name => name != victim)];
        random.Shuffle(others);
        int following = random.Next(others.Length);
        bool isParted = random.Next(2) == 0;
        bool isBlind = random.Next(2) == 0;
        bool isLate = random.Next(3) == 0;
        TimeSpan pause = random.Next(4) == 0 ? fault.Lasting * random.NextDouble() : TimeSpan.Zero;
        TimeSpan hold = TimeSpan.FromMilliseconds(isLate ? random.Next(1, 50) : 0);
        if (isLate) _cluster.Databases[victim].HangFlushes();
        In(hold, () =>
        {
            Action arrive = isLate ? _cluster.Databases[victim].LetHungFlushesBeLate() : () => { };
            In(fault.Lasting * random.NextDouble(), arrive);
            if (!_cluster.IsFormed(victim) || _cluster.EarlierOf(victim) is not null) return;
            if (isBlind) CutFromDatabase(fault, victim);
            OpenElsewhere(fault, victim, others[..following], isParted, pause);
        });
        return false; // It counts when the earlier opening has noticed.
    }

    private void OpenElsewhere(Fault fault, NodeName victim, NodeName[] following, bool isParted, TimeSpan pause)
    {
        Note(fault, $"{victim} is opened elsewhere, too; followed by {string.Join(' ', following)}"
            + (isParted ? ", cut off with it" : "")
            + (pause > TimeSpan.Zero ? $", after {pause.TotalMilliseconds:F0} ms of standing still" : ""));
        if (pause > TimeSpan.Zero) _cluster.Pause(victim);
        if (isParted)
        {
            NodeName[] rest = [.. _cluster.AllNames.Where(name => name != victim && !following.Contains(name))];
            CutWhile(fault, [.. BothWays(following, rest)]);
        }
        _cluster.StartElsewhere(victim, following.ToHashSet(), isParted);
        In(pause, () => Resume(victim));
        After(fault, () => _cluster.Network.Guide(victim));
    }

    private void CutFromDatabase(Fault fault, NodeName victim)
    {
        Note(fault, $"{victim} does not reach its database");
        SimulatedDatabase database = _cluster.Databases[victim];
        database.CutConnections();
        After(fault, database.MendConnections);
    }

    /// <summary>Of two openings of a node's storage the earlier one must stop by itself; its process then
    /// ends.</summary>
    private void StopReplaced()
    {
        if (_cluster.Databases.Count == 0) return;
        foreach (NodeName name in _cluster.AllNames)
        {
            if (_cluster.EarlierOf(name) is not { Replaced.IsCompleted: true } || _cluster.IsPaused(name)) continue;
            _trace.Note($"the earlier opening of {name} stops");
            _cluster.StopEarlier(name);
            Count(FaultKind.SecondOpening);
        }
    }

    private bool LoseConnections(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim) return false;
        SimulatedDatabase database = _cluster.Databases[victim];
        database.BrokenPerMille = random.Next(10, 400);
        Note(fault, $"the connection to the database of {victim} breaks in {database.BrokenPerMille} of 1000 questions");
        After(fault, () => database.BrokenPerMille = 0);
        return true;
    }

    private bool LoseCommitAnswer(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim) return false;
        Note(fault, $"the answer to the next commit of {victim} is lost");
        SimulatedDatabase database = _cluster.Databases[victim];
        database.FailNext(DatabaseQuestion.Flush, FailureMoment.AfterIt);
        _failing.Add((fault, database, database.Broken));
        return false; // It counts when it happens.
    }

    private bool TakeDatabaseDown(Fault fault, Random random)
    {
        if (PickUp(random) is not { } victim) return false;
        Note(fault, $"the database of {victim} is down for {fault.Lasting.TotalMilliseconds:F0} ms");
        SimulatedDatabase database = _cluster.Databases[victim];
        database.IsDown = true;
        After(fault, () => database.IsDown = false);
        return true;
    }

    /// <summary>Whether a node could not start because its database did not answer, or because a later opening, or one
    /// that was begun earlier and arrived later, took its slot meanwhile.</summary>
    private bool IsDatabaseAway(NodeName name, Exception failure) => failure is Storage.FencedException
        or DatabaseException { Failure: DatabaseFailure.Unavailable } && _cluster.Databases.ContainsKey(name);
}
