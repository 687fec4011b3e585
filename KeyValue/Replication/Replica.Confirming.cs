using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <content>
/// On storage that another process may have opened meanwhile, what a replica says of this very moment (that it still
/// follows this leader, or still leads) waits until the storage has confirmed that it is the only one. All else that it
/// promises is a write, which names its incarnation; said late, it is as true as a message that was long on its way.
/// </content>
public sealed partial class Replica
{
    // The newest for each leader that asked: it says what those before say.
    private readonly List<OutboundMessage> _unconfirmedReplies = [];

    // The newest round that this leader has not confirmed itself; 0: none.
    private ulong _unconfirmedRound;
    private bool _isConfirming;

    private void HoldUntilConfirmed(in OutboundMessage reply)
    {
        ReplicaId to = reply.To;
        _unconfirmedReplies.RemoveAll(earlier => earlier.To == to);
        _unconfirmedReplies.Add(reply);
    }

    /// <summary>Asks the storage once for all that waits; what comes meanwhile waits for the next question.</summary>
    private void ConfirmWhatWaits()
    {
        if (_isConfirming || _stopReason is not null) return;
        if (_unconfirmedReplies.Count == 0 && _unconfirmedRound == 0) return;
        _isConfirming = true;
        OutboundMessage[] replies = [.. _unconfirmedReplies];
        ulong round = _unconfirmedRound;
        _unconfirmedReplies.Clear();
        _unconfirmedRound = 0;
        _ = ConfirmAsync(replies, round);
    }

    private async Task ConfirmAsync(OutboundMessage[] replies, ulong round)
    {
        bool isConfirmed = true;
        try
        {
            await _host.Storage.ConfirmAsync();
        }
        // The turn finds out what is with the storage, and says so. The leader's next round asks again.
        catch (Exception failure) when (failure is FencedException or IOException)
        {
            isConfirmed = false;
        }
        Post(new ContinuationInput(replica => replica.OnConfirmed(isConfirmed ? replies : [], isConfirmed ? round : 0)));
    }

    private void OnConfirmed(OutboundMessage[] replies, ulong round)
    {
        _isConfirming = false;
        foreach (OutboundMessage reply in replies) Send(reply.To, reply.Message);
        if (round != 0) _node.ConfirmRound(round, _host.Now);
    }
}
