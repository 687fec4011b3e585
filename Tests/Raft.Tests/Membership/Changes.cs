namespace Orleans.Raft.Core.Tests;

/// <summary>Short ways to change the members of a cluster.</summary>
internal static class Changes
{
    public static MembershipChange Add(params ulong[] ids) => new() { Add = [.. ids.Select(M)] };

    public static MembershipChange Promote(params ulong[] ids) => new() { Promote = [.. ids.Select(R)] };

    public static MembershipChange Remove(params ulong[] ids) => new() { Remove = [.. ids.Select(R)] };

    public static MembershipChange Swap(ulong[] promote, params ulong[] remove) =>
        new() { Promote = [.. promote.Select(R)], Remove = [.. remove.Select(R)] };

    /// <summary>The ids of voters, of the voters before, and of learners, as text.</summary>
    public static string Shape(Configuration configuration)
    {
        string outgoing = configuration.IsJoint ? $" was {Ids(configuration.Outgoing)}" : "";
        string learners = configuration.Learners.Count > 0 ? $" learns {Ids(configuration.Learners)}" : "";
        return Ids(configuration.Voters) + outgoing + learners;
    }

    public static string Shape(Replica replica) => Shape(replica.Node.Configuration);

    public static MembershipAnswer Change(this Cluster cluster, Replica leader, MembershipChange change)
    {
        MembershipAnswer answer = leader.Node.ChangeMembership(change, cluster.Now);
        leader.Turn(cluster.Now);
        cluster.Collect();
        return answer;
    }

    /// <summary>Begins a change; nothing is delivered.</summary>
    public static EntryId Begin(this Cluster cluster, MembershipChange change)
    {
        MembershipAnswer answer = cluster.Change(cluster.Leader, change);
        Assert.True(answer.Outcome == MembershipOutcome.Accepted, $"{change}: {answer}");
        return answer.Entry;
    }

    /// <summary>Begins a change and lets it come to its end.</summary>
    public static void Complete(this Cluster cluster, MembershipChange change)
    {
        cluster.Begin(change);
        cluster.DeliverAll();
        cluster.Run(1);
        RaftNode node = cluster.Leader.Node;
        Assert.True(
            node.IsConfigurationCommitted && !node.Configuration.IsJoint, $"{change} left {node.Configuration}");
    }

    /// <summary>A new replica that learns and has caught up.</summary>
    public static Replica AddLearner(this Cluster cluster)
    {
        Replica added = cluster.StartNew();
        cluster.Complete(Add(added.Id.Value));
        Assert.Equal(cluster.Leader.Node.LastEntry, added.Node.LastEntry);
        return added;
    }

    public static Replica AddVoter(this Cluster cluster)
    {
        Replica added = cluster.AddLearner();
        cluster.Complete(Promote(added.Id.Value));
        return added;
    }

    /// <summary>r1 leads voters r1 to r3; r4 and r5 learn.</summary>
    public static Cluster WithTwoLearners(Func<RaftOptions, RaftOptions>? change = null)
    {
        Cluster cluster = new Cluster(3, change: change).Elect(1);
        cluster.AddLearner();
        cluster.AddLearner();
        return cluster;
    }

    private static string Ids(IEnumerable<Member> members) =>
        string.Join(' ', members.Select(member => member.Id.Value));
}
