using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.KeyValue;

/// <content>Storage that another process may open while this one still runs: this node then learns of it and
/// stops.</content>
public sealed partial class StoreNode
{
    /// <summary>An idle node asks that often; one that works learns of it with the next flush.</summary>
    private static readonly TimeSpan ConfirmPeriod = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource _replaced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TimeSpan _confirmDue;
    private volatile bool _isConfirming;

    /// <summary>Completes when it turned out that the node's storage was opened elsewhere: nothing works here any more,
    /// and the host is to dispose of the node. Never where a lock rules that out.</summary>
    public Task Replaced => _replaced.Task;

    private void ConfirmWhenDue(TimeSpan now)
    {
        if (!Storage.NeedsConfirming || _isConfirming || now < _confirmDue) return;
        _confirmDue = now + ConfirmPeriod;
        _isConfirming = true;
        _ = Task.Factory.StartNew(ConfirmAsync, CancellationToken.None, TaskCreationOptions.DenyChildAttach,
            _options.Scheduler);
    }

    private async Task ConfirmAsync()
    {
        try
        {
            await Storage.ConfirmAsync();
        }
        catch (FencedException failure)
        {
            ConfirmingLog.Replaced(Logger, Name, failure.Message);
            StopReplicas("its node's storage was opened elsewhere");
            _replaced.TrySetResult();
        }
        // It is asked again; how long the storage has not answered, the status tells.
        catch (IOException failure)
        {
            ConfirmingLog.NotConfirmed(Logger, failure, Name, failure.Message);
        }
        _isConfirming = false;
    }
}

internal static partial class ConfirmingLog
{
    [LoggerMessage(54, LogLevel.Warning, "{Node} stops: {Why}")]
    public static partial void Replaced(ILogger logger, NodeName node, string why);

    [LoggerMessage(55, LogLevel.Warning, "{Node}: whether its storage is still its own could not be asked: {Why}")]
    public static partial void NotConfirmed(ILogger logger, Exception failure, NodeName node, string why);
}
