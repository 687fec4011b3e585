using System.Text;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Clients hear of new groups before they run into them.</summary>
public sealed class RoutePushTests(RaftTestCluster cluster) : IClassFixture<RaftTestCluster>
{
    [Fact]
    public async Task A_client_that_does_nothing_hears_of_a_split()
    {
        var client = (KvClient)cluster.Store;
        await RaftTestCluster.WaitAsync("the client knows the groups", () => client.Ranges is not null);
        await SplitAsync("pushed");
        await RaftTestCluster.WaitAsync("the client knows the new group",
            () => client.Ranges!.Groups.Any(group => Encoding.UTF8.GetString(group.Start) == "pushed"));
    }

    [Fact]
    public async Task Who_waits_for_other_routes_gets_them_when_there_are_some_and_not_before()
    {
        IRouterGrain router = cluster.GrainsOf(RaftTestCluster.Names[0]).GetGrain<IRouterGrain>(0);
        RoutesMessage known = await router.GetRoutes();
        // Of another version than one never told.
        Assert.Equal(known.Version, (await router.WaitForRoutes(Guid.NewGuid()))!.Version);
        Task<RoutesMessage?> waiting = router.WaitForRoutes(known.Version);
        Assert.False(waiting.IsCompleted);
        await SplitAsync("waited");
        Guid version = known.Version;
        bool isTold = false;
        for (int i = 0; i < 10 && !isTold; i++)
        {
            // Null: there was no news for a while.
            if (await waiting.WaitAsync(RaftTestCluster.Deadline) is { } news)
            {
                Assert.NotEqual(version, news.Version);
                version = news.Version;
                isTold = news.Groups.Any(group =>
                    Encoding.UTF8.GetString(GroupDescriptor.Decode(group).Start) == "waited");
            }
            if (!isTold) waiting = router.WaitForRoutes(version);
        }
        Assert.True(isTold);
    }

    private async Task SplitAsync(string key)
    {
        AdministrationAnswer answer = new(AdministrationStatus.UnderWay, "");
        await RaftTestCluster.WaitAsync("the split is done", async () =>
        {
            answer = await cluster.Administration.AdministerAsync(
                new SplitRequest(Encoding.UTF8.GetBytes(key)) { IsRepeat = answer.Text.Length > 0 });
            return answer.Status != AdministrationStatus.UnderWay;
        });
        Assert.Equal(AdministrationStatus.Done, answer.Status);
    }
}
