using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Activations interleave: a call that waits for its commit delays neither another caller nor a
/// tick.</summary>
public sealed class WaitingCallTests : IAsyncLifetime
{
    private static readonly GroupId Group = new(1);

    private readonly Dictionary<NodeName, HoldingDisk> _disks = [];
    private readonly RaftTestCluster _cluster;

    public WaitingCallTests() => _cluster = new RaftTestCluster
    {
        Configure = raft => raft.OpenStorage = (name, context) =>
        {
            var disk = new HoldingDisk(_cluster!.OpenDisk(name));
            lock (_disks) _disks[name] = disk;
            return NodeStorage.OpenOwnedAsync(disk, context);
        },
    };

    public Task InitializeAsync() => _cluster.InitializeAsync();

    public Task DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task A_call_that_waits_for_its_commit_delays_neither_other_callers_nor_ticks()
    {
        NodeName leader = (await _cluster.Administration.GetStatusAsync()).Groups[0].Leader!.Value;
        HoldingDisk[] followers = [.. RaftTestCluster.Names.Where(n => n != leader).Select(n => _disks[n])];
        IRaftPeerGrain grain = _cluster.GrainsOf(leader).GetGrain<IRaftPeerGrain>($"{Group}/{leader}");
        foreach (HoldingDisk disk in followers) disk.HoldLog();

        // Nobody but the leader itself can take it: it waits for as long as the others' disks do.
        Task<GroupReplyMessage> waiting = grain.Execute((byte)RequestKind.Write, OpenSession());
        GroupReplyMessage read = await grain.Execute((byte)RequestKind.StaleRead, ReadOf("!a"));
        Assert.Equal(GroupReplyStatus.Answered, (GroupReplyStatus)read.Status);

        // With no quorum left it is the leader's own ticks that end its leadership.
        foreach (HoldingDisk disk in followers) disk.FailLog();
        Replica replica = _cluster.NodeOf(leader).Store!.Find(Group)!;
        await RaftTestCluster.WaitAsync("the leader gave up its office", () => replica.Status.Role != "leader");
        await RaftTestCluster.WaitAsync("the call ended", () => waiting.IsCompleted);
        // It got its answer or, if that took longer than calls may, none: in no case one that says it was written.
        if (waiting.IsCompletedSuccessfully)
            Assert.Equal(GroupReplyStatus.Unknown, (GroupReplyStatus)(await waiting).Status);
        else Assert.IsType<TimeoutException>(waiting.Exception!.InnerException);
    }

    private static byte[] OpenSession()
    {
        var writer = new CommandBatchWriter();
        writer.AddUnsessioned(Operation.OpenSession(60_000));
        return writer.ToArray();
    }

    private static byte[] ReadOf(string key)
    {
        var writer = new ReadBatchWriter();
        writer.AddGet(ColumnFamily.Default, Encoding.UTF8.GetBytes(key));
        return writer.ToArray();
    }
}
