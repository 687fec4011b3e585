namespace Orleans.Raft.Storage.PostgreSql;

/// <summary>Asks the database whether this is still the only opening. All who come while one question is under way
/// share
/// the next one.</summary>
internal sealed class Confirmations(SlotSession session)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _next;
    private bool _asking;

    /// <summary>How long the question under way has taken.</summary>
    public Stall Stall { get; } = new(session.Options.Time);

    public async ValueTask ConfirmAsync()
    {
        Task answered;
        bool start;
        lock (_lock)
        {
            session.ThrowIfEnded();
            _next ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            answered = _next.Task;
            start = !_asking;
            _asking = true;
        }
        if (start)
        {
            _ = Task.Factory.StartNew(AskAsync, CancellationToken.None, TaskCreationOptions.DenyChildAttach,
                session.Options.Scheduler);
        }
        await answered;
    }

    private async Task AskAsync()
    {
        while (TakeNext() is { } current)
        {
            Stall.Begin();
            try
            {
                await session.UntilDoneAsync(database => database.ConfirmAsync(session.Incarnation),
                    trouble => Stall.Trouble = trouble);
                current.SetResult();
            }
#pragma warning disable CA1031 // Whatever it is, it is the answer of those who wait.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                current.SetException(failure);
            }
            finally
            {
                Stall.End();
            }
        }
    }

    private TaskCompletionSource? TakeNext()
    {
        lock (_lock)
        {
            TaskCompletionSource? taken = _next;
            _next = null;
            _asking = taken is not null;
            return taken;
        }
    }
}
