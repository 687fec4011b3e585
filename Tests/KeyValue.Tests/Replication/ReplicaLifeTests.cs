using Orleans.Raft.Core;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Replication;

/// <summary>Replicas come to nodes and go from them while the store is used. Raft §6; Thesis §4.</summary>
[Trait("Raft", "§6")]
public class ReplicaLifeTests
{
    private static readonly NodeName N1 = new("node-1"), N2 = new("node-2"), N3 = new("node-3"), N4 = new("node-4"),
        N5 = new("node-5");

    /// <summary>g1 lives on node-1 to node-3; node-4 and node-5 have nothing.</summary>
    private static StoreCluster Start(ReplicaOptions? replica = null, ulong seed = 1)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions
        {
            Nodes = 5,
            Seed = seed,
            Replica = replica ?? new ReplicaOptions(),
        });
        cluster.RunFor(Seconds(1));
        return cluster;
    }

    private static void LeadFrom(StoreCluster cluster, NodeName node)
    {
        if (cluster.Leader() != node) cluster.Run(() => cluster.TransferLeadershipAsync(First, node));
        cluster.RunUntil(() => cluster.LeaderOf(First) == node, Seconds(10), $"{node} leads");
        cluster.RunFor(Seconds(0.2));
    }

    private static string Shape(StoreCluster cluster) => string.Join(' ', cluster.FindDescriptor(First)!.Replicas
        .Select(replica => $"{replica.Id}@{replica.Node}{(replica.Role == ReplicaRole.Voter ? "" : $":{replica.Role}")}"));

    /// <summary>Nothing of the replica is left on the node but the word that it is gone.</summary>
    private static void WaitUntilGone(StoreCluster cluster, NodeName node, ulong id)
    {
        cluster.RunUntil(() => cluster.Nodes[node].Find(First) is null, Seconds(20), $"r{id} is gone from {node}");
        cluster.Scheduler.RunUntilIdle();
        Assert.Empty(cluster.Nodes[node].OwnGroups);
        Assert.Equal(new StoredReplica(First, ReplicaId.None, new ReplicaId(id), null),
            cluster.Nodes[node].Storage.FindReplica(First));
        Assert.DoesNotContain(cluster.Disks[node].Files, file => file.StartsWith("snapshots/", StringComparison.Ordinal));
    }

    private static void WaitUntilEqual(StoreCluster cluster)
    {
        WaitUntilSettled(cluster);
        cluster.RunUntil(() =>
        {
            GroupDescriptor group = cluster.FindDescriptor(First)!;
            Replica?[] replicas = [.. group.Replicas.Select(replica => cluster.Nodes[replica.Node].Find(First))];
            return replicas.All(replica => replica is { StopReason: null } && replica.Descriptor.Equals(group))
                && replicas.Select(replica => replica!.Status.Applied).Distinct().Count() == 1
                && replicas.All(replica => replica!.Status.Applied == replica.Status.Commit);
        }, Seconds(60), "all members applied the same");
        uint[] digests = [.. cluster.FindDescriptor(First)!.Replicas.Select(replica =>
            cluster.Run(() => cluster.Nodes[replica.Node].Find(First)!.DigestAsync())!.Value.Checksum)];
        Assert.Single(digests.Distinct());
    }

    /// <summary>Until all members know that no change is under way.</summary>
    private static void WaitUntilSettled(StoreCluster cluster) => cluster.RunUntil(() =>
    {
        if (cluster.FindDescriptor(First) is not { } group || cluster.LeaderOf(First) is null) return false;
        return !group.ToConfiguration().IsJoint && group.Replicas.All(replica =>
            cluster.Nodes.TryGetValue(replica.Node, out StoreNode? node)
            && node.Find(First) is { StopReason: null } found && found.Descriptor.Equals(group));
    }, Seconds(60), "all members know each other");

    [Fact]
    public void A_new_replica_gets_a_snapshot_however_short_the_log_is_and_then_all_the_rest()
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        Assert.Equal(0, cluster.Nodes[cluster.Leader()].GetStatus().Snapshots);
        Assert.Equal(new ReplicaId(4), cluster.AddLearner(First, N4));
        Assert.Equal("r1@node-1 r2@node-2 r3@node-3 r4@node-4:Learner", Shape(cluster));
        WaitUntilEqual(cluster);
        cluster.Put(client, "k", "w");
        WaitUntilEqual(cluster);
        Replica added = cluster.ReplicaOn(N4);
        Assert.Equal("w", cluster.Execute(added, ReadOf("k", RequestKind.StaleRead)).ValueText());
        Assert.Equal("w", cluster.Execute(added, ReadOf("k")).ValueText());
        Assert.Equal(1, cluster.Nodes[cluster.Leader()].GetStatus().Snapshots);
        Assert.Equal([First], cluster.Nodes[N4].OwnGroups);
        Assert.Equal(0, cluster.Nodes[N4].RefusedMessages);
    }

    [Fact]
    public void A_replica_that_has_nothing_yet_serves_nothing()
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        cluster.Network.Filter = (_, _, frame) => !LeadershipTests.Carries<SnapshotChunk>(frame);
        cluster.AddLearner(First, N4);
        cluster.RunUntil(() => cluster.Nodes[N4].Find(First) is not null, Seconds(5), "it is there");
        Replica added = cluster.ReplicaOn(N4);
        cluster.RunFor(Seconds(1));
        Assert.Empty(added.Descriptor.Replicas);
        foreach (RequestKind kind in new[] { RequestKind.StaleRead, RequestKind.LinearizableRead, RequestKind.LeaseRead })
            Assert.Equal(GroupReplyStatus.NotLeader, cluster.Execute(added, ReadOf("k", kind)).Status);
        Assert.Equal(GroupReplyStatus.NotLeader,
            cluster.Execute(added, Unsessioned(Operation.OpenSession(1000))).Status);
        // A restart changes nothing of that.
        cluster.CrashNode(N4);
        cluster.StartNode(N4);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(N4, out StoreNode? node) && node.Find(First) is not null,
            Seconds(5), "it is there again");
        Assert.Equal(GroupReplyStatus.NotLeader,
            cluster.Execute(cluster.ReplicaOn(N4), ReadOf("k", RequestKind.StaleRead)).Status);
        ClusterStatus status = ClusterView.Merge(cluster.Nodes[N1].Formation,
            [.. cluster.Nodes.Values.Select(ClusterView.Of)]);
        Assert.Equal(cluster.Leader(), Assert.Single(status.Groups).Leader);
        cluster.Network.Filter = null;
        WaitUntilEqual(cluster);
    }

    [Theory]
    [InlineData("node-1")]
    [InlineData("node-2")]
    public void The_first_replica_moves_away_whoever_leads_and_no_write_is_lost(string leader)
    {
        StoreCluster cluster = Start();
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 20; i++) cluster.Put(client, $"k{i}", "before");
        LeadFrom(cluster, new NodeName(leader));
        int written = 0;
        bool stop = false;
        Running<bool> load = cluster.Begin(async () =>
        {
            while (!stop) await client.PutAsync(Bytes.Of($"w{written}"), Bytes.Of($"{written++}"));
        });
        cluster.MoveReplica(First, N1, N4);
        Assert.Equal("r2@node-2 r3@node-3 r4@node-4", Shape(cluster));
        WaitUntilGone(cluster, N1, 1);
        cluster.WaitForLeader(N1);
        int during = written;
        cluster.RunFor(Seconds(1));
        stop = true;
        cluster.RunUntil(() => load.HasEnded, Seconds(20), "the load ended");
        Assert.True(load.Result && during > 5 && written > during, $"{during} of {written} writes while it moved");
        WaitUntilEqual(cluster);
        for (int i = 0; i < 20; i++) Assert.Equal("before", cluster.Get(client, $"k{i}"));
        for (int i = 0; i < written; i++) Assert.Equal($"{i}", cluster.Get(client, $"w{i}"));
    }

    [Fact]
    public void A_write_that_the_leaving_leader_committed_with_its_own_removal_is_answered()
    {
        StoreCluster cluster = Start();
        LeadFrom(cluster, N1);
        Replica leader = cluster.ReplicaOn(N1);
        SessionId session = cluster.OpenSession(leader, 60_000);
        // The write is behind the joint configuration, and what follows that is appended once it is committed: as the
        // acknowledgements of the write are lost, it is committed with the final configuration, in one turn.
        Running<MembershipAnswer> change = cluster.Begin(() => leader.ChangeMembershipAsync(
            new MembershipChange { Remove = [new ReplicaId(1)] }));
        cluster.Scheduler.RunUntilIdle();
        Assert.Equal(MembershipOutcome.Accepted, change.Result.Outcome);
        Running<GroupReply> write = cluster.Begin(() => leader.ExecuteAsync(PutOf(session, 1, "k", "last")));
        var joint = new LogIndex(leader.Status.Commit.Value + 1);
        cluster.Network.Filter = (_, to, frame) => to != N1 || leader.Descriptor.ConfigVersion > 1
            || Find<AppendEntriesReply>(frame) is not { } reply || reply.MatchIndex <= joint;
        cluster.RunUntil(() => write.HasEnded, Seconds(5), "the write ended");
        Assert.Equal((GroupReplyStatus.Answered, AnswerStatus.Ok), (write.Result.Status, write.Result.Only().Status));
        WaitUntilGone(cluster, N1, 1);
        cluster.WaitForLeader(N1);
        Assert.Equal("last", cluster.Get(cluster.CreateClient(), "k"));
    }

    [Fact]
    public void A_removed_replica_that_was_down_learns_of_it_from_a_member_and_deletes_its_data()
    {
        StoreCluster cluster = Start(new ReplicaOptions { SnapshotLogBytes = 2048 });
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 40; i++) cluster.Put(client, $"k{i}", new string('x', 200));
        NodeName down = cluster.Followers().First(node => node != N4 && node != N5);
        ulong id = cluster.ReplicaOn(down).Id.Value;
        Assert.Contains(cluster.Disks[down].Files, file => file.StartsWith("snapshots/", StringComparison.Ordinal));
        cluster.CrashNode(down);
        cluster.ChangeMembers(First, new MembershipChange { Remove = [new ReplicaId(id)] });
        Term term = cluster.ReplicaOn(cluster.Leader()).Status.Term;
        NodeName leader = cluster.Leader();
        cluster.RunFor(Seconds(5));
        cluster.StartNode(down);
        cluster.RunUntil(() => cluster.Nodes.ContainsKey(down), Seconds(5), "it is up");
        WaitUntilGone(cluster, down, id);
        cluster.RunFor(Seconds(5));
        Assert.Equal((leader, term), (cluster.Leader(), cluster.ReplicaOn(leader).Status.Term));
        // Its id is used up, also for its own node.
        var readd = new MembershipChange { Add = [new Member(new ReplicaId(id), down)] };
        MembershipAnswer again = default;
        cluster.RunUntil(() => (again = cluster.Run(() => cluster.ChangeMembersOnceAsync(First, readd))).Outcome
            != MembershipOutcome.NotReady, Seconds(5), "the silent leader has woken");
        Assert.Equal(MembershipOutcome.Invalid, again.Outcome);
    }

    [Fact]
    public void A_removed_learner_that_was_down_asks_and_is_told()
    {
        StoreCluster cluster = Start();
        cluster.AddLearner(First, N4);
        WaitUntilEqual(cluster);
        cluster.CrashNode(N4);
        cluster.ChangeMembers(First, new MembershipChange { Remove = [new ReplicaId(4)] });
        cluster.RunFor(Seconds(5));
        cluster.StartNode(N4);
        cluster.RunUntil(() => cluster.Nodes.ContainsKey(N4), Seconds(5), "it is up");
        WaitUntilGone(cluster, N4, 4);
    }

    [Fact]
    public void Late_messages_never_bring_a_removed_replica_back()
    {
        StoreCluster cluster = Start();
        cluster.AddLearner(First, N4);
        WaitUntilEqual(cluster);
        cluster.ChangeMembers(First, new MembershipChange { Remove = [new ReplicaId(4)] });
        WaitUntilGone(cluster, N4, 4);
        StoreNode node = cluster.Nodes[N4];
        foreach (bool restarted in new[] { false, true })
        {
            if (restarted)
            {
                cluster.CrashNode(N4);
                cluster.StartNode(N4);
                cluster.RunUntil(() => cluster.Nodes.TryGetValue(N4, out StoreNode? up)
                    && up.Formed.IsCompletedSuccessfully, Seconds(5), "it is up");
                node = cluster.Nodes[N4];
            }
            cluster.RunFor(Seconds(2)); // What was really late.
            long late = node.LateMessages;
            int answers = 0;
            // The node itself still says that it lives, and reports.
            cluster.Network.Sent = (from, to, frame) =>
                answers += from == N4 && FrameReader.TryOpen(frame.Span, out _, out _) == FrameStatus.Ok ? 1 : 0;
            RaftMessage[] messages =
            [
                new Heartbeat(new Term(3), LogIndex.Zero, 1),
                new AppendEntries(new Term(3), EntryId.Zero, default, LogIndex.Zero),
                new SnapshotChunk(new Term(3), new EntryId(new Term(1), new LogIndex(5)), 0, 10, 0, new byte[10]),
                new PreVote(new Term(3), EntryId.Zero), new TimeoutNow(new Term(3)),
            ];
            foreach (RaftMessage message in messages) Send(cluster, N1, N4, 1, 4, message);
            cluster.RunFor(Seconds(1));
            Assert.Equal((messages.Length, 0), (node.LateMessages - late, answers));
            Assert.Empty(node.Replicas);
            Assert.Empty(node.OwnGroups);
            cluster.Network.Sent = null;
        }
    }

    [Fact]
    public void A_node_returns_to_a_group_with_a_new_replica_and_retries_are_applied_once()
    {
        StoreCluster cluster = Start();
        Replica first = cluster.ReplicaOn(cluster.Leader());
        SessionId session = cluster.OpenSession(first, 60_000);
        GroupRequest append = WriteOf(session, 1, Operation.Append(ColumnFamily.Default, Bytes.Of("k"), Bytes.Of("x")));
        Assert.Equal(AnswerStatus.Ok, cluster.Execute(first, append).Only().Status);
        ReplicaId moved = cluster.MoveReplica(First, N1, N4);
        WaitUntilGone(cluster, N1, 1);
        ReplicaId returned = cluster.MoveReplica(First, N4, N1);
        WaitUntilGone(cluster, N4, moved.Value);
        Assert.Equal((new ReplicaId(4), new ReplicaId(5)), (moved, returned));
        Assert.Equal("r2@node-2 r3@node-3 r5@node-1", Shape(cluster));
        WaitUntilEqual(cluster);
        LeadFrom(cluster, N1);
        Assert.Equal(AnswerStatus.Ok, cluster.Execute(cluster.ReplicaOn(N1), append).Only().Status);
        Assert.Equal("x", cluster.Get(cluster.CreateClient(), "k"));
        // After a restart of everything, too.
        foreach (NodeName node in cluster.Names) cluster.CrashNode(node);
        foreach (NodeName node in cluster.Names) cluster.StartNode(node);
        cluster.RunUntil(() => cluster.Nodes.Count == 5 && cluster.LeaderOf(First) is not null, Seconds(20),
            "all are back");
        WaitUntilEqual(cluster);
        Assert.Equal(("x", new ReplicaId(5)), (cluster.Get(cluster.CreateClient(), "k"), cluster.ReplicaOn(N1).Id));
        Assert.Null(cluster.Nodes[N4].Find(First));
    }

    [Fact]
    public void A_node_whose_old_replica_does_not_know_of_its_removal_gets_the_new_one_all_the_same()
    {
        StoreCluster cluster = Start();
        cluster.AddLearner(First, N4);
        WaitUntilEqual(cluster);
        cluster.CrashNode(N4);
        cluster.ChangeMembers(First, new MembershipChange { Remove = [new ReplicaId(4)] });
        Assert.Equal(new ReplicaId(5), cluster.AddLearner(First, N4));
        // Sooner than it would ask by itself: the leader's messages to the new one show that something is amiss.
        cluster.StartNode(N4);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(N4, out StoreNode? node) && node.Find(First) is { } replica
            && replica.Id == new ReplicaId(5), Seconds(0.7), "the new replica is there");
        WaitUntilEqual(cluster);
        Assert.Equal(new ReplicaId(4), cluster.Nodes[N4].Storage.FindReplica(First).Removed);
    }

    [Fact]
    public void A_silent_leader_wakes_when_a_learner_asks_whether_it_belongs()
    {
        StoreCluster cluster = Start();
        cluster.Put(cluster.CreateClient(), "k", "v");
        ReplicaId learner = cluster.AddLearner(First, N4);
        WaitUntilEqual(cluster);
        cluster.RunUntil(() => cluster.Nodes.Values.All(n => n.Find(First) is not { } replica || replica.IsAsleep),
            Seconds(120), "the group is silent");
        Replica leader = cluster.ReplicaOn(cluster.Leader());
        leader.Deliver(learner, N4, Replica.MembershipQuestion);
        cluster.Scheduler.RunUntilIdle();
        Assert.False(leader.IsAsleep);
    }

    /// <summary>r4 is added on node-4 by an entry that is undone, and so is added on node-5.</summary>
    private static StoreCluster StartWithUndoneAddition(Func<ReadOnlyMemory<byte>, bool> passes)
    {
        StoreCluster cluster = Start();
        cluster.Put(cluster.CreateClient(), "k", "v");
        LeadFrom(cluster, N1);
        cluster.Network.Filter = (from, to, frame) =>
            ((from != N1 && to != N1) || from == N4 || to == N4) && passes(frame);
        Replica old = cluster.ReplicaOn(N1);
        cluster.Run(() => old.ChangeMembershipAsync(new MembershipChange { Add = [new Member(new ReplicaId(4), N4)] }));
        cluster.RunUntil(() => cluster.Nodes[N4].Find(First) is not null, Seconds(5), "r4 is on node-4");
        cluster.RunUntil(() => cluster.LeaderOf(First) is { } leader && leader != N1, Seconds(20), "another leads");
        // What node-4 would ask does not arrive yet.
        cluster.Network.Filter = (from, to, frame) => from != N4 && to != N4 && passes(frame);
        cluster.RunUntil(() => !cluster.ReplicaOn(N1).Descriptor.IsUnknown
            && cluster.ReplicaOn(N1).Core.Configuration.Members.Count == 3, Seconds(20), "the addition is undone");
        Assert.Equal(new ReplicaId(4), cluster.AddLearner(First, N5));
        return cluster;
    }

    [Fact]
    public void A_replica_whose_addition_was_undone_hears_that_its_id_belongs_to_another_node()
    {
        StoreCluster cluster = StartWithUndoneAddition(_ => true);
        Assert.False(cluster.ReplicaOn(N4).HoldsNothing);
        cluster.Network.Filter = null;
        WaitUntilGone(cluster, N4, 4);
        WaitUntilEqual(cluster);
    }

    [Fact]
    public void A_replica_that_holds_nothing_makes_way_for_the_next_one_of_its_group()
    {
        StoreCluster cluster = StartWithUndoneAddition(frame => !LeadershipTests.Carries<SnapshotChunk>(frame));
        // It has forgotten who wrote to it.
        cluster.CrashNode(N4);
        cluster.StartNode(N4);
        cluster.RunUntil(() => cluster.Nodes.TryGetValue(N4, out StoreNode? node) && node.Find(First) is not null,
            Seconds(5), "it is there again");
        Assert.True(cluster.ReplicaOn(N4).HoldsNothing);
        cluster.Network.Filter = null;
        Assert.Equal(new ReplicaId(5), cluster.AddLearner(First, N4));
        WaitUntilEqual(cluster);
        Assert.Equal(new ReplicaId(4), cluster.Nodes[N4].Storage.FindReplica(First).Removed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Replicas_move_under_loss_and_crashes(ulong seed)
    {
        StoreCluster cluster = Start(new ReplicaOptions { SnapshotLogBytes = 4096, SnapshotChunkBytes = 1024 }, seed);
        cluster.Network.Faults = new NetworkFaults
        {
            Loss = 0.05,
            Duplication = 0.05,
            Delay = (TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(20)),
        };
        KvClient client = cluster.CreateClient(new KvClientOptions { Timeout = Seconds(60) });
        int written = 0;
        bool stop = false;
        Running<bool> load = cluster.Begin(async () =>
        {
            while (!stop)
            {
                await client.AppendAsync(Bytes.Of($"k{written % 10}"), Bytes.Of($"{written},"));
                written++;
            }
        });
        var random = new Random((int)seed);
        for (int move = 0; move < 8; move++)
        {
            WaitUntilSettled(cluster);
            NodeName[] members = [.. cluster.FindDescriptor(First)!.Replicas.Select(replica => replica.Node)];
            NodeName to = cluster.Names.Where(node => !members.Contains(node)).ElementAt(random.Next(2));
            cluster.MoveReplica(First, members[random.Next(3)], to);
            NodeName crashed = cluster.Names[random.Next(5)];
            cluster.CrashNode(crashed, CrashLoss.Random);
            cluster.RunFor(Seconds(random.NextDouble()));
            cluster.StartNode(crashed);
            cluster.RunUntil(() => cluster.Nodes.ContainsKey(crashed), Seconds(10), $"{crashed} is back");
        }
        stop = true;
        cluster.RunUntil(() => load.HasEnded, Seconds(120), "the load ended");
        Assert.True(load.Result && written > 50, $"{written} writes");
        cluster.Network.Faults = new NetworkFaults();
        WaitUntilEqual(cluster);
        cluster.RunUntil(() => cluster.Nodes.Values.Count(node => node.Find(First) is not null) == 3, Seconds(20),
            "only the members are left");
        for (int key = 0; key < 10; key++)
        {
            string expected = string.Concat(Enumerable.Range(0, written).Where(i => i % 10 == key).Select(i => $"{i},"));
            Assert.Equal(expected, cluster.Get(client, $"k{key}"));
        }
        Assert.True(cluster.FindDescriptor(First)!.HighestReplica >= new ReplicaId(11));
    }

    [Fact]
    public void A_node_joins_a_running_cluster_gets_a_replica_and_restarts_with_it()
    {
        StoreCluster cluster = StoreCluster.Start();
        KvClient client = cluster.CreateClient();
        cluster.Put(client, "k", "v");
        cluster.StartJoiningNode(N4);
        cluster.RunUntil(() => cluster.Nodes[N1].Joining.Count == 1, Seconds(5), "it is heard");
        cluster.RunFor(Seconds(1));
        Assert.False(cluster.Nodes[N4].Formed.IsCompleted);
        FormationNode joining = Assert.Single(cluster.Nodes[N1].Joining);
        Assert.Equal(new FormationNode(N4, cluster.Nodes[N4].Storage.StoreId), joining);
        foreach (NodeName node in cluster.Names)
        {
            StoreNode store = cluster.Nodes[node];
            cluster.Run(() => store.SetNodesAsync([.. store.Directory.Nodes, joining]));
            Assert.Empty(store.Joining);
        }
        cluster.RunUntil(() => cluster.Nodes[N4].Formed.IsCompletedSuccessfully, Seconds(5), "it is let in");
        Assert.Empty(cluster.Nodes[N4].OwnGroups);
        cluster.MoveReplica(First, N1, N4);
        WaitUntilGone(cluster, N1, 1);
        foreach (NodeName node in cluster.AllNames) cluster.CrashNode(node);
        foreach (NodeName node in cluster.AllNames) cluster.StartNode(node);
        cluster.RunUntil(() => cluster.Nodes.Count == 4 && cluster.LeaderOf(First) is not null, Seconds(20),
            "all are back");
        Assert.Empty(cluster.StartFailure);
        WaitUntilEqual(cluster);
        Assert.Equal("v", cluster.Get(cluster.CreateClient(), "k"));
        // A node that leaves is heard no more.
        cluster.MoveReplica(First, N4, N1);
        WaitUntilGone(cluster, N4, 4);
        StoreNode first = cluster.Nodes[N1];
        cluster.Run(() => first.SetNodesAsync([.. first.Directory.Nodes.Where(node => node.Name != N4)]));
        long refused = first.RefusedMessages;
        Send(cluster, N4, N1, 4, 5, new Heartbeat(new Term(1), LogIndex.Zero, 1));
        Assert.Equal(refused + 1, first.RefusedMessages);
    }

    [Fact]
    public void Snapshots_leave_at_the_rate_that_is_allowed_and_nothing_else_waits_for_them()
    {
        StoreCluster cluster = Start(new ReplicaOptions
        {
            SnapshotBytesPerSecond = 100_000,
            SnapshotChunkBytes = 10_000,
        });
        KvClient client = cluster.CreateClient();
        for (int i = 0; i < 60; i++) cluster.Put(client, $"k{i}", new string('x', 10_000));
        var sent = new List<TimeSpan>();
        cluster.Network.Sent = (_, _, frame) =>
        {
            if (LeadershipTests.Carries<SnapshotChunk>(frame)) sent.Add(cluster.Time.Now);
        };
        Term term = cluster.ReplicaOn(cluster.Leader()).Status.Term;
        TimeSpan start = cluster.Time.Now;
        cluster.AddLearner(First, N4);
        cluster.RunFor(Seconds(1));
        TimeSpan before = cluster.Time.Now;
        cluster.Put(client, "k", "v");
        Assert.InRange((cluster.Time.Now - before).TotalSeconds, 0, 0.1);
        WaitUntilEqual(cluster);
        double seconds = (sent[^1] - sent[0]).TotalSeconds;
        Assert.Equal(61, sent.Count); // None was sent again for having had to wait.
        Assert.InRange(seconds, 5.5, 7);
        Assert.Equal(term, cluster.ReplicaOn(cluster.Leader()).Status.Term);
    }

    private static T? Find<T>(ReadOnlyMemory<byte> frame) where T : RaftMessage
    {
        Assert.Equal(FrameStatus.Ok, FrameReader.TryOpen(frame.Span, out _, out FrameReader reader));
        while (reader.TryReadNext(out _, out RaftMessage? message, out _))
            if (message is T found) return found;
        return null;
    }

    private static void Send(StoreCluster cluster, NodeName from, NodeName to, ulong sender, ulong receiver,
        RaftMessage message)
    {
        var writer = new FrameWriter();
        writer.Begin(new FrameHeader(cluster.Nodes[to].Formation.Cluster, cluster.Nodes[from].Storage.StoreId,
            cluster.Nodes[to].Storage.StoreId));
        writer.Append(new MessageAddress(First, new ReplicaId(sender), new ReplicaId(receiver)), message);
        cluster.Nodes[to].Receive(writer.Written.Span);
    }
}
