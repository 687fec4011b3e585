using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>
/// One replica. The activation's scheduler runs the replica's turns; its node posts the ticks, to those that are awake,
/// so that a silent replica costs no timer; all else is the replica's own. A second activation opens the replica again,
/// which fences this one: it then deactivates itself.
/// </summary>
[Reentrant, KeepAlive, SiloNamePlacement, GrainDirectory(NoDirectory.Name)]
internal sealed class RaftPeerGrain(SiloNodes nodes, ILogger<RaftPeerGrain> logger) : Grain, IRaftPeerGrain
{
    private SiloNode? _node;
    private Replica? _replica;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        string text = this.GetPrimaryKeyString();
        if (!PeerKey.TryParse(text, out PeerKey? key)) throw new ArgumentException($"'{text}' is no key of a replica.");
        _node = nodes.Find(key.Value.Node)
            ?? throw new InvalidOperationException($"{key} lives where {key.Value.Node} is, not on {nodes.SiloName}.");
        _replica = await _node.OpenReplicaAsync(key.Value.Group, TaskScheduler.Current);
        _ = LeaveWhenStoppedAsync(_node, _replica);
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (_replica is { } replica)
        {
            PeerLog.Deactivated(logger, this.GetPrimaryKeyString(), replica.Incarnation, reason.ReasonCode,
                reason.Description);
            replica.Stop("its grain was deactivated");
        }
        return Task.CompletedTask;
    }

    public Task<PeerInfo> Start() => Task.FromResult(_node!.Describe(_replica!));

    public async Task<GroupReplyMessage> Execute(byte kind, byte[] batch)
    {
        GroupReply reply = await _replica!.ExecuteAsync(new GroupRequest((RequestKind)kind, batch));
        return StoreMessages.ToMessage(reply, nodes.SiloName);
    }

    private async Task LeaveWhenStoppedAsync(SiloNode node, Replica replica)
    {
        await replica.Stopped;
        // A replica that failed for good stays as long as its node, to say so in the status; one that was fenced or
        // stopped makes room.
        if (node.IsFailed(replica)) await node.Ended;
        DeactivateOnIdle();
    }
}

internal static partial class PeerLog
{
    [LoggerMessage(60, LogLevel.Information, "{Peer}: activation with incarnation {Incarnation} ends: {Code} {Why}")]
    public static partial void Deactivated(ILogger logger, string peer, ulong incarnation, DeactivationReasonCode code,
        string why);
}
