using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.Grains;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A silo through which a client enters, and which has no replica of what the client asks for.</summary>
public sealed class GatewayTests : IAsyncLifetime
{
    private static readonly NodeName Gateway = new("Silo_3");
    private static readonly GroupId First = new(1);

    private readonly RaftTestCluster _cluster = new()
    {
        Silos = 4,
        Configure = raft => raft.Groups = 1,
    };

    public Task InitializeAsync() => _cluster.InitializeAsync();

    public Task DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task A_silo_serves_a_group_that_began_elsewhere_as_soon_as_its_node_has_heard_of_it()
    {
        await _cluster.Administration.AdministerAsync(new SwitchBalanceRequest(On: false));
        StoreNode node = _cluster.NodeOf(Gateway).Store!;
        Assert.Null(node.Find(First));
        var connection = new SiloConnection(_cluster.NodesOf(Gateway), _cluster.RoutesOf(Gateway),
            _cluster.GrainsOf(Gateway));
        Assert.Equal(GroupReplyStatus.Answered, (await ReadAsync(First)).Status);
        using var deadline = new CancellationTokenSource(RaftTestCluster.Deadline);
        await _cluster.Administration.CompleteAsync(new SplitRequest(Encoding.UTF8.GetBytes("m")), TimeProvider.System,
            cancellationToken: deadline.Token);
        await RaftTestCluster.WaitAsync("the gateway's node has heard of the split",
            () => node.Ranges.Find("m"u8).Group != First);
        GroupId second = node.Ranges.Find("m"u8).Group;
        await RaftTestCluster.WaitAsync("the gateway's silo serves the new group",
            async () => (await ReadAsync(second)).Status == GroupReplyStatus.Answered);

        Task<GroupReply> ReadAsync(GroupId group)
        {
            var read = new ReadBatchWriter();
            read.AddGet(ColumnFamily.Default, "x"u8);
            return connection.ExecuteAsync(group, new GroupRequest(RequestKind.LinearizableRead, read.ToArray()));
        }
    }
}
