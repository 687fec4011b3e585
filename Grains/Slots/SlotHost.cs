using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;

namespace Orleans.Raft.Grains;

/// <summary>
/// Lets this silo host the slots that the registry gives it: follows the table, opens and ends slots as it says, and ends
/// one whose storage says that another silo has opened it. Without the registry, all stays as it is.
/// </summary>
internal sealed class SlotHost(SiloNodes nodes, NodePlaces places, SiloAddresses silos, SiloRoutes routes,
    SiloNetwork network, IGrainFactory grains, ILocalSiloDetails self, ILogger<SlotHost> logger)
    : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    private static readonly TimeSpan TendPeriod = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan HandOverLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LeaveLimit = TimeSpan.FromSeconds(2);

    private readonly SlotHolder _self = new(self.Name, self.SiloAddress.ToParsableString());
    private readonly CancellationTokenSource _stopping = new();
    private readonly Dictionary<NodeName, Task> _work = [];
    private readonly ConcurrentDictionary<NodeName, Pause> _pauses = new();
    private readonly Lock _lock = new();
    private Task _loops = Task.CompletedTask;

    // Of the questions to the registry: the one that waits, what ends its wait, whom it asks, and the last one answered.
    private long _asked;
    private long _answered;
    private CancellationTokenSource? _asking;
    private SiloAddress? _askedOf;

    private ISlotRegistryGrain Registry => silos.First is { } first
        ? grains.GetGrain<ISlotRegistryGrain>(first.Name)
        : throw new SiloUnavailableException("No silo is up.");

    void ILifecycleParticipant<ISiloLifecycle>.Participate(ISiloLifecycle lifecycle)
    {
        if (nodes.Options.Slots is not null)
            lifecycle.Subscribe("OrleansRaft.Slots", ServiceLifecycleStage.Active, StartAsync, StopAsync);
    }

    /// <summary>May be called twice: the silo knows this object under two names.</summary>
    public void Dispose()
    {
        _stopping.Dispose();
        _asking?.Dispose();
    }

    private Task StartAsync(CancellationToken cancellationToken)
    {
        // The silo's own thread of control ends here; these live until the silo stops.
        _loops = Task.WhenAll(Task.Run(FollowTableAsync, CancellationToken.None),
            Task.Run(HearOfClusterAsync, CancellationToken.None), Task.Run(TendAsync, CancellationToken.None));
        return Task.CompletedTask;
    }

    /// <summary>Ends all slots here and says so, that others need not wait until this silo is found dead. A stop without
    /// time to spare is a crash.</summary>
    private async Task StopAsync(CancellationToken cancellationToken)
    {
        bool crashes = cancellationToken.IsCancellationRequested;
        await _stopping.CancelAsync();
        if (crashes) await EndAllAsync(crashes);
        await _loops;
        await Task.WhenAll(_work.Values);
        await EndAllAsync(crashes);
        if (crashes) return;
        Task leaving = LeaveAsync();
        await leaving.WaitAsync(LeaveLimit, CancellationToken.None)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        if (leaving.IsFaulted) SlotLog.NotTold(logger, _self.Silo, leaving.Exception!.InnerException!.Message);
    }

    private Task EndAllAsync(bool crashes) =>
        Task.WhenAll(nodes.Hosted.Select(node => nodes.EndAsync(node.Name, crashes)));

    /// <summary>Asks the registry for the table, again and again.</summary>
    private async Task FollowTableAsync()
    {
        SlotRow[] slots = [.. nodes.Options.Slots!.Select(slot => new SlotRow(slot.Name.Value, slot.Zone))];
        var candidate = new SlotCandidate(_self, slots);
        while (!_stopping.IsCancellationRequested)
        {
            long question;
            CancellationToken asking;
            lock (_lock)
            {
                question = ++_asked;
                _askedOf = silos.First?.Address;
                _asking?.Dispose();
                _asking = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
                asking = _asking.Token;
            }
            long start = TimeProvider.System.GetTimestamp();
            Task<SlotTable?> call = WaitForTableAsync(candidate);
            await ((Task)call).WaitAsync(AnswerLimit, asking)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            if (call.IsCompletedSuccessfully)
            {
                SlotTable? table = await call;
                if (table is not null) places.Learn(table);
                Interlocked.Exchange(ref _answered, question);
                // Who is sent elsewhere at once may not know yet which silo is the first.
                if (table is not null || TimeProvider.System.GetElapsedTime(start) > RetryPause) continue;
            }
            if (call.IsFaulted) SlotLog.NoTable(logger, _self.Silo, call.Exception!.InnerException!.Message);
            await PauseAsync();
        }
    }

    /// <summary>What a call throws at once is a call that failed.</summary>
    private async Task<SlotTable?> WaitForTableAsync(SlotCandidate candidate) =>
        await Registry.WaitForTable(candidate, places.Table.Version);

    private async Task LeaveAsync() => await Registry.Leave(_self);

    /// <summary>Asks the registry anew instead of waiting for its answer.</summary>
    private void Ask()
    {
        lock (_lock) _asking?.Cancel();
    }

    /// <summary>While no node here knows the cluster, other silos tell of it.</summary>
    private async Task HearOfClusterAsync()
    {
        Guid seen = Guid.Empty;
        for (int turn = 0; !_stopping.IsCancellationRequested; turn++)
        {
            IReadOnlyList<SiloAddress> others = places.Others();
            if (nodes.FormedStore is null && others.Count > 0)
            {
                Task<StoreKnowledgeMessage?> call = network.WaitForKnowledgeAsync(others[turn % others.Count], seen);
                await ((Task)call).WaitAsync(_stopping.Token).ConfigureAwait(
                    ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
                if (call.IsCompletedSuccessfully && await call is { } message)
                {
                    if (message.Routes.Version != seen) routes.Hear(message);
                    seen = message.Routes.Version;
                    continue;
                }
            }
            await PauseAsync();
        }
    }

    private async Task TendAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            lock (_lock)
                if (_askedOf is { } asked && !asked.Equals(silos.First?.Address)) _asking?.Cancel();
            foreach (NodeName slot in places.Table.Slots.Select(row => new NodeName(row.Slot))
                .Union(nodes.Hosted.Select(node => node.Name)))
            {
                if (_work.TryGetValue(slot, out Task? work) && !work.IsCompleted) continue;
                if (Choose(slot) is { } next)
                    _work[slot] = Task.Run(() => WorkAsync(slot, next), CancellationToken.None);
            }
            TellIfServing();
            await Task.Delay(TendPeriod, _stopping.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    /// <summary>What is to be done about a slot; null: nothing.</summary>
    private Func<Task>? Choose(NodeName slot)
    {
        SlotRow? row = places.Table.Find(slot.Value);
        bool isHeldHere = row?.Holder == _self;
        return (nodes.Find(slot), isHeldHere, row?.IsReleasing) switch
        {
            ({ IsFenced: true }, _, _) => () => EndFencedAsync(slot),
            (null, true, true) => () => Registry.Release(row!.Slot, row.Number),
            (null, true, _) => MayOpen(slot) ? () => OpenAsync(slot) : null,
            (null, false, _) => null,
            (_, false, _) => () => EndAsync(slot, row?.Holder?.Silo ?? "no silo"),
            ({ } node, true, true) => () => ReleaseAsync(node, row!),
            _ => null,
        };
    }

    private async Task WorkAsync(NodeName slot, Func<Task> work)
    {
        try
        {
            await work();
        }
        // Tried again for as long as the table says so.
#pragma warning disable CA1031
        catch (Exception failure)
#pragma warning restore CA1031
        {
            SlotLog.Failed(logger, failure, _self.Silo, slot, failure.Message);
            _pauses[slot] = new Pause(TimeProvider.System.GetTimestamp(), Question: 0);
        }
    }

    private async Task OpenAsync(NodeName slot)
    {
        await nodes.HostAsync(slot);
        SlotLog.Hosts(logger, _self.Silo, slot);
    }

    private async Task EndAsync(NodeName slot, string holder)
    {
        SlotLog.Ends(logger, _self.Silo, slot, holder);
        await nodes.EndAsync(slot);
    }

    private async Task ReleaseAsync(SiloNode node, SlotRow row)
    {
        SlotLog.Releases(logger, _self.Silo, node.Name);
        await node.HandOverAsync(HandOverLimit, _ => false);
        await nodes.EndAsync(node.Name);
        await Registry.Release(row.Slot, row.Number);
    }

    /// <summary>Who holds it, the registry says; until it was asked after this, the slot stays closed here.</summary>
    private async Task EndFencedAsync(NodeName slot)
    {
        SlotLog.Fenced(logger, _self.Silo, slot);
        await nodes.EndAsync(slot, crashes: true);
        lock (_lock) _pauses[slot] = new Pause(TimeProvider.System.GetTimestamp(), _asked);
        Ask();
    }

    private bool MayOpen(NodeName slot) => !_pauses.TryGetValue(slot, out Pause pause)
        || (Interlocked.Read(ref _answered) > pause.Question
            && TimeProvider.System.GetElapsedTime(pause.Since) >= RetryPause);

    /// <summary>A silo without slots serves as soon as it knows the cluster.</summary>
    private void TellIfServing()
    {
        if (nodes.Serving.IsCompleted || routes.Known is null) return;
        foreach (SlotRow row in places.Table.Slots)
        {
            if (row.Holder != _self) continue;
            if (nodes.Find(new NodeName(row.Slot)) is not { Serving: { IsCompleted: true } serving }) return;
            if (serving.IsFaulted) nodes.NoteCannotServe(serving.Exception!.InnerException!);
        }
        nodes.NoteServing();
    }

    private async Task PauseAsync() => await Task.Delay(RetryPause, _stopping.Token)
        .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);

    /// <param name="Question">The slot stays closed until a later one than this is answered.</param>
    private readonly record struct Pause(long Since, long Question);
}

internal static partial class SlotLog
{
    [LoggerMessage(123, LogLevel.Information, "{Silo}: hosts {Slot}")]
    public static partial void Hosts(ILogger logger, string silo, NodeName slot);

    [LoggerMessage(124, LogLevel.Information, "{Silo}: ends {Slot}, which {Holder} holds")]
    public static partial void Ends(ILogger logger, string silo, NodeName slot, string holder);

    [LoggerMessage(125, LogLevel.Information, "{Silo}: releases {Slot}")]
    public static partial void Releases(ILogger logger, string silo, NodeName slot);

    [LoggerMessage(126, LogLevel.Warning, "{Silo}: ends {Slot}: it was opened elsewhere")]
    public static partial void Fenced(ILogger logger, string silo, NodeName slot);

    [LoggerMessage(127, LogLevel.Error, "{Silo}: could not do its part for {Slot} and tries again: {Why}")]
    public static partial void Failed(ILogger logger, Exception failure, string silo, NodeName slot, string why);

    [LoggerMessage(128, LogLevel.Information, "{Silo}: the registry of slots did not answer: {Why}")]
    public static partial void NoTable(ILogger logger, string silo, string why);

    [LoggerMessage(129, LogLevel.Warning, "{Silo}: leaves, and could not tell the registry of slots, "
        + "which will notice: {Why}")]
    public static partial void NotTold(ILogger logger, string silo, string why);
}
