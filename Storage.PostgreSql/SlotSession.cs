using Orleans.Raft.Core;

namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>One opening of a slot: asks its database until that answers, and ends once, for whatever reason: closed,
/// fenced, or failed for good.</summary>
internal sealed class SlotSession(ISlotDatabase database, SlotContent content, DatabaseStorageOptions options)
{
    private readonly Lock _lock = new();
    private readonly HashSet<TaskCompletionSource> _pauses = [];
    private volatile Exception? _ended;

    public ISlotDatabase Database => database;

    public DatabaseStorageOptions Options => options;

    public StoreId StoreId => content.StoreId;

    public ulong Incarnation => content.Incarnation;

    public RowChecksum Checksum { get; } = new(content.StoreId);

    /// <summary>Why this opening ended; null while it goes on.</summary>
    public Exception? Ended => _ended;

    /// <summary>Hears of the end, once.</summary>
    public Action<Exception>? OnEnd { get; set; }

    /// <summary>Ends this opening; the first reason counts.</summary>
    public void End(Exception reason)
    {
        if (!TryEnd(reason)) return;
        if (reason is FencedException) options.Logger.SlotTaken(database.Description, reason.Message);
        else options.Logger.SlotFailed(reason, database.Description);
        OnEnd?.Invoke(reason);
    }

    /// <summary>Ends this opening because nobody needs it any more.</summary>
    public void Close()
    {
        var reason = new FencedException("The storage was closed or crashed; open it again.");
        if (TryEnd(reason)) OnEnd?.Invoke(reason);
    }

    public void ThrowIfEnded()
    {
        if (_ended is { } reason) throw reason;
    }

    /// <summary>Asks again and again, with growing pauses, until there is an answer; throws the reason once this
    /// opening
    /// has ended.</summary>
    /// <param name="trouble">Hears what keeps the database from answering, and null when it has.</param>
    /// <param name="gaveUp">Failures that are not worth waiting for.</param>
    public async ValueTask<T> UntilAnsweredAsync<T>(
        Func<ISlotDatabase, ValueTask<T>> question, Action<string?>? trouble = null,
        DatabaseFailure? gaveUp = null)
    {
        TimeSpan pause = options.FirstPause;
        string? told = null;
        while (true)
        {
            ThrowIfEnded();
            try
            {
                T answer = await question(database);
                if (told is not null) options.Logger.TroubleEnded(database.Description);
                trouble?.Invoke(null);
                ThrowIfEnded(); // Whatever the database said then, nobody hears of it any more.
                return answer;
            }
            catch (Exception) when (_ended is not null)
            {
                throw _ended;
            }
            catch (DatabaseException failure) when (!failure.IsFinal)
            {
                if (failure.Failure == gaveUp) throw;
                if (told != failure.Message) options.Logger.Troubled(database.Description, failure.Message);
                told = failure.Message;
                trouble?.Invoke(told);
            }
            catch (Exception failure)
            {
                End(failure);
                throw;
            }
            await PauseAsync(pause);
            pause = pause * 2 < options.LongestPause ? pause * 2 : options.LongestPause;
        }
    }

    public async ValueTask UntilDoneAsync(Func<ISlotDatabase, ValueTask> command, Action<string?>? trouble = null,
        DatabaseFailure? gaveUp = null) => await UntilAnsweredAsync(async asked =>
        {
            await command(asked);
            return true;
        }, trouble, gaveUp);

    private bool TryEnd(Exception reason)
    {
        lock (_lock)
        {
            if (_ended is not null) return false;
            _ended = reason;
            foreach (TaskCompletionSource pause in _pauses) pause.TrySetResult();
            return true;
        }
    }

    /// <summary>Waits for that long, or for the end.</summary>
    private async ValueTask PauseAsync(TimeSpan length)
    {
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_ended is not null) return;
            _pauses.Add(over);
        }
        await using (options.Time.CreateTimer(_ => over.TrySetResult(), null, length, Timeout.InfiniteTimeSpan))
            await over.Task;
        lock (_lock) _pauses.Remove(over);
    }
}
