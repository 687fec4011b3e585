using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.KeyValue.Tests;

/// <summary>Short words for what tests of a whole store do all the time.</summary>
internal static class StoreClusterExtensions
{
    public static readonly GroupId First = new(1);

    public static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    public static NodeName Leader(this StoreCluster cluster, GroupId? group = null) =>
        cluster.LeaderOf(group ?? First) ?? throw new InvalidOperationException($"{group ?? First} has no leader.");

    public static NodeName[] Followers(this StoreCluster cluster) =>
        [.. cluster.Names.Where(n => n != cluster.Leader())];

    public static Replica ReplicaOn(this StoreCluster cluster, NodeName node, GroupId? group = null) =>
        cluster.Nodes[node].Find(group ?? First) ?? throw new InvalidOperationException($"{node} has no replica.");

    public static void Isolate(this StoreCluster cluster, NodeName node) =>
        cluster.Network.Isolate(node, cluster.Names);

    public static void WaitForLeader(this StoreCluster cluster, params NodeName[] except) => cluster.RunUntil(
        () => cluster.LeaderOf(First) is { } leader && !except.Contains(leader), Seconds(20),
        "there is another leader");

    public static void WaitForEqualReplicas(this StoreCluster cluster, GroupId? group = null) => cluster.RunUntil(() =>
    {
        Replica[] replicas = [.. cluster.Names.Select(n => cluster.Nodes[n].Find(group ?? First)!)];
        return replicas.All(r => r is { StopReason: null })
            && replicas.Select(r => r.Status.Applied).Distinct().Count() == 1
            && replicas.All(r => r.Status.Applied == r.Status.Commit);
    }, Seconds(60), "all replicas applied the same");

    public static void Put(this StoreCluster cluster, KvClient client, string key, string value) =>
        cluster.Run(() => client.PutAsync(Bytes.Of(key), Bytes.Of(value)));

    public static string? Get(this StoreCluster cluster, KvClient client, string key,
        Consistency consistency = Consistency.Linearizable)
    {
        ReadOnlyMemory<byte>? value =
            cluster.Run(() => client.GetAsync(Bytes.Of(key), new ReadOptions(Consistency: consistency)));
        return value is { } bytes ? Bytes.Text(bytes.Span) : null;
    }

    public static GroupReply Execute(this StoreCluster cluster, Replica replica, GroupRequest request) =>
        cluster.Run(() => replica.ExecuteAsync(request));

    public static GroupRequest ReadOf(string key, RequestKind kind = RequestKind.LinearizableRead)
    {
        var reads = new ReadBatchWriter();
        reads.AddGet(ColumnFamily.Default, Bytes.Of(key));
        return new GroupRequest(kind, reads.ToArray());
    }

    public static GroupRequest WriteOf(SessionId session, ulong sequence, byte[] operation)
    {
        var commands = new CommandBatchWriter();
        commands.Add(session, sequence, sequence, operation);
        return new GroupRequest(RequestKind.Write, commands.ToArray());
    }

    public static GroupRequest PutOf(SessionId session, ulong sequence, string key, string value) =>
        WriteOf(session, sequence, Operation.Put(ColumnFamily.Default, Bytes.Of(key), Bytes.Of(value)));

    public static GroupRequest Unsessioned(byte[] operation)
    {
        var commands = new CommandBatchWriter();
        commands.AddUnsessioned(operation);
        return new GroupRequest(RequestKind.Write, commands.ToArray());
    }

    public static SessionId OpenSession(this StoreCluster cluster, Replica leader, long timeoutMilliseconds) =>
        cluster.Execute(leader, Unsessioned(Operation.OpenSession(timeoutMilliseconds))).Only().Session;

    /// <summary>The only answer of a reply.</summary>
    public static OperationAnswer Only(this GroupReply reply) =>
        Xunit.Assert.Single(OperationAnswer.ReadAll(reply.Answers.Span));

    /// <summary>Hands a message to a replica as if it came from where its sender is.</summary>
    public static void Deliver(this Replica replica, ReplicaId from, RaftMessage message) =>
        replica.Deliver(from, replica.Descriptor.Replicas.First(r => r.Id == from).Node, message);

    public static string? ValueText(this GroupReply reply) => reply.Only().Value is { } value
        ? Bytes.Text(value.Span)
        : null;

    /// <summary>Fences a replica as another opening does, without a younger replica that would speak in its
    /// place.</summary>
    public static void FenceOnly(this StoreCluster cluster, NodeName node) =>
        cluster.Run(async () => await cluster.Nodes[node].Storage.OpenReplicaAsync(First,
            cluster.Nodes[node].Find(First)!.Id));

    public static Replica Reopen(this StoreCluster cluster, NodeName node) =>
        cluster.Run(() => cluster.Nodes[node].OpenReplicaAsync(First, cluster.SchedulerOf(node)));
}
