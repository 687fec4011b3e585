namespace Orleans.Raft.Core.Tests;

[Trait("Raft", "Figure 8")]
public sealed class Figure8Tests
{
    [Fact]
    public void An_entry_of_an_old_term_on_a_majority_is_not_committed_and_may_be_overwritten()
    {
        var cluster = new Cluster(5, disk: id => TestDisk.With(1, ReplicaId.None, 1, 1));
        // (a) S1 leads t2 and reaches only S2.
        cluster.Partition(1, 2);
        cluster.Cut(3, 4);
        cluster.Cut(3, 5);
        cluster.Cut(4, 5);
        Force(cluster, 1, 2, voters: [2, 3]);
        cluster.DeliverAll();
        Assert.Equal(Cluster.Terms(cluster[1]), Cluster.Terms(cluster[2]));
        // (b) S5 leads t3 by the votes of S3 and S4 and reaches nobody.
        cluster.Crash(1);
        Force(cluster, 5, 3, voters: [3, 4]);
        // (c) S5 crashes; S1 leads t4 and brings its entry of t2 to S3, but nothing of t4.
        cluster.Crash(5);
        cluster.Restart(1);
        Force(cluster, 1, 4, voters: [2, 3]);
        ulong t2Index = 2;
        foreach (ulong to in new ulong[] { 2, 3 })
        {
            cluster[to].Step(1, new AppendEntries(T(4), Id(1, 1), cluster[1].Node.Log.Range(I(t2Index), I(t2Index)),
                I(1)), cluster.Now);
            RaftMessage answer = cluster[to].Sent.Last(sent => sent.To == R(1)).Message;
            cluster[1].Step(to, answer, cluster.Now);
        }

        Assert.Equal(3, cluster.Replicas.Count(replica => replica.Disk.TermAt(I(t2Index)) == T(2)));
        Assert.Equal(I(1), cluster[1].Node.CommitIndex);
        // (d) S1 crashes; S5 leads t5 and overwrites the entry everywhere.
        cluster.Crash(1);
        cluster.Restart(5);
        cluster.HealAndForget();
        cluster.Isolate(1);
        Force(cluster, 5, 5, voters: [2, 3, 4]);
        cluster.Run(1);
        Assert.Equal([1ul, 3, 5], Cluster.Terms(cluster[2]));
        Assert.Equal(I(3), cluster[5].Node.CommitIndex);
        cluster.Heal();
        cluster.Restart(1);
        cluster.Run(2);
        cluster.AssertLogsAgree();
    }

    [Fact]
    public void An_entry_of_the_leaders_own_term_on_a_majority_is_safe()
    {
        var cluster = new Cluster(5);
        cluster.Elect(1);
        cluster.Partition(1, 2, 3);
        EntryId id = cluster.Propose(cluster[1], "safe");
        cluster.DeliverAll();
        Assert.Equal(id.Index, cluster[1].Node.CommitIndex);
        cluster.Crash(1);
        cluster.Heal();
        cluster.Campaign(5);
        Assert.False(cluster[5].IsLeader);
        cluster.Run(6);
        Assert.Contains("safe", Cluster.Commands(cluster[5]));
    }

    // Makes a replica leader of exactly this term by the given votes, whatever the network would do; its messages stay
    // unsent where the network is cut.
    private static void Force(Cluster cluster, ulong id, ulong term, ulong[] voters)
    {
        Replica candidate = cluster[id];
        cluster.Now += 3 * ElectionTimeout;
        while (candidate.Node.Term < T(term))
        {
            cluster.Now += 3 * ElectionTimeout;
            candidate.Tick(cluster.Now);
            for (ulong from = 1; from <= (ulong)cluster.Replicas.Count
                && candidate.Node.Role == Role.PreCandidate; from++)
                candidate.Step(from, new PreVoteReply(candidate.Node.Term.Next(), true), cluster.Now);
        }

        Assert.Equal(T(term), candidate.Node.Term);
        var request = new RequestVote(T(term), candidate.Node.LastEntry, false);
        foreach (ulong voter in voters)
        {
            cluster[voter].Step(id, request, cluster.Now);
            Assert.Contains(new OutboundMessage(R(id), new RequestVoteReply(T(term), true)), cluster[voter].Sent);
            candidate.Step(voter, new RequestVoteReply(T(term), true), cluster.Now);
            cluster[voter].Sent.Clear();
        }

        Assert.True(candidate.IsLeader);
        cluster.Collect();
    }
}
