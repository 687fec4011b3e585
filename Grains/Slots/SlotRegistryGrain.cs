using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Storage;

namespace Orleans.Raft.Grains;

/// <summary>
/// Keeps the table of slots in grain storage and changes it as <see cref="SlotAssignment"/> says. Should two silos be the
/// first for a while, in their own views, the storage takes the changes of one of their registries, and the other reads again; and whatever two
/// silos believe, a slot's storage lets only the later one work.
/// </summary>
[Reentrant, KeepAlive, SiloKeyPlacement, GrainDirectory(NoDirectory.Name)]
internal sealed class SlotRegistryGrain(SlotTableStore store, SiloAddresses silos, ILocalSiloDetails self,
    ILogger<SlotRegistryGrain> logger) : Grain, ISlotRegistryGrain
{
    private static readonly TimeSpan ReviewPeriod = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>For how long silos that are up and have not said yet whether they take slots are waited for.</summary>
    private static readonly TimeSpan SignOnLimit = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, SlotCandidate> _candidates = [];
    private readonly HashSet<string> _left = [];
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SlotTable _table = SlotTable.Empty;
    private Task _lastReview = Task.CompletedTask;

    // The highest version that any silo has seen: more than the storage's if that was lost.
    private long _seen;
    private long? _incompleteSince;
    private bool _isInDoubt;
    private bool _isKeeper;

    private bool IsFirst => silos.First?.Address.Equals(self.SiloAddress) ?? false;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _table = await store.ReadAsync();
        this.RegisterGrainTimer(_ => ReviewAsync(rows => rows),
            new GrainTimerCreationOptions(ReviewPeriod, ReviewPeriod) { Interleave = true });
    }

    public async Task<SlotTable?> WaitForTable(SlotCandidate candidate, long seen)
    {
        _seen = Math.Max(_seen, seen);
        _candidates[candidate.Silo.Address] = candidate;
        await ReviewAsync(rows => rows);
        Task news = _news.Task;
        if (_isKeeper && _table.Version <= seen)
            await news.WaitAsync(Patience).ConfigureAwait(
                ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        return _isKeeper && _table.Version > seen ? _table : null;
    }

    public Task Release(string slot, long number) =>
        ReviewAsync(rows => SlotAssignment.Released(rows, slot, number));

    public Task Leave(SlotHolder silo)
    {
        _candidates.Remove(silo.Address);
        _left.Add(silo.Address);
        return ReviewAsync(rows => SlotAssignment.Left(rows, silo.Address));
    }

    /// <summary>Takes over what is reported, gives away what is free, and writes what changed; one at a time. Never
    /// throws.</summary>
    private Task ReviewAsync(Func<SlotRow[], SlotRow[]> report) =>
        _lastReview = ReviewAfterAsync(_lastReview, report);

    private async Task ReviewAfterAsync(Task earlier, Func<SlotRow[], SlotRow[]> report)
    {
        await earlier;
        try
        {
            if (!IsFirst)
            {
                // Silos ask another one's from now on; those that wait here are sent there. What that one writes is to be
                // read when this silo is the first again.
                _isKeeper = false;
                _isInDoubt = true;
                _candidates.Clear();
                _incompleteSince = null;
                Publish(_table);
                return;
            }
            if (_isInDoubt)
            {
                SlotTable stored = await store.ReadAsync();
                _isInDoubt = false;
                Publish(stored);
            }
            if (!_isKeeper) RegistryLog.Keeps(logger, self.Name, _table.Version);
            _isKeeper = true;
            SlotRow[] rows = report(_table.Slots);
            HashSet<string> up = [.. silos.Active.Values.Select(address => address.ToParsableString())];
            foreach (string gone in _candidates.Keys.Where(address => !up.Contains(address)).ToArray())
                _candidates.Remove(gone);
            _left.IntersectWith(up);
            if (AreAllKnown(up)) rows = SlotAssignment.Next(rows, up, [.. _candidates.Values]);
            if (_table.Version < _seen || !rows.SequenceEqual(_table.Slots)) await WriteAsync(rows);
        }
        // Tried again by the next review, in a quarter of a second, with what is stored then.
#pragma warning disable CA1031
        catch (Exception failure) when (failure is not InconsistentStateException)
#pragma warning restore CA1031
        {
            _isInDoubt = true;
            RegistryLog.NotWritten(logger, failure, self.Name, failure.Message);
        }
        catch (InconsistentStateException)
        {
            // Another silo's has written.
            _isInDoubt = true;
        }
    }

    private async Task WriteAsync(SlotRow[] rows)
    {
        var next = new SlotTable(Math.Max(_table.Version, _seen) + 1, rows);
        await store.WriteAsync(next);
        RegistryLog.Changed(logger, next.Version,
            string.Join(", ", rows.Select(row => $"{row.Slot} on {row.Holder?.Silo ?? "no silo"}")));
        Publish(next);
    }

    private void Publish(SlotTable table)
    {
        _table = table;
        TaskCompletionSource told = _news;
        _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
        told.SetResult();
    }

    /// <summary>A silo that has just come, or that has not found a new activation yet, is worth a moment: what is given to
    /// another one meanwhile would move again.</summary>
    private bool AreAllKnown(HashSet<string> up)
    {
        if (up.All(address => _candidates.ContainsKey(address) || _left.Contains(address)))
        {
            _incompleteSince = null;
            return true;
        }
        _incompleteSince ??= TimeProvider.System.GetTimestamp();
        return TimeProvider.System.GetElapsedTime(_incompleteSince.Value) >= SignOnLimit;
    }
}

internal static partial class RegistryLog
{
    [LoggerMessage(120, LogLevel.Information, "The registry of slots is on {Silo}, with version {Version} of its table")]
    public static partial void Keeps(ILogger logger, string silo, long version);

    [LoggerMessage(121, LogLevel.Information, "Slots, version {Version}: {Slots}")]
    public static partial void Changed(ILogger logger, long version, string slots);

    [LoggerMessage(122, LogLevel.Warning, "The registry of slots on {Silo} cannot use its grain storage and tries again; "
        + "slots stay where they are: {Why}")]
    public static partial void NotWritten(ILogger logger, Exception failure, string silo, string why);
}
