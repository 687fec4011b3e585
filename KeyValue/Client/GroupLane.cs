using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>
/// The calls of one client to one group that travel together. One batch is on its way at a time; what comes meanwhile
/// forms the next one, so batches grow with the load by themselves.
/// </summary>
internal abstract class GroupLane(KvClient client, GroupId group, RequestKind kind)
{
    private const int FailuresBeforeLooking = 8;

    private readonly Lock _lock = new();
    private readonly Queue<PendingOperation> _queue = new();
    private readonly List<PendingOperation> _batch = [];
    private volatile bool _pumping;

    // When the next batch should leave, if not at once.
    private Task _together = Task.CompletedTask;

    // The map by which calls that failed stayed here.
    private RangeMap? _seen;

    protected KvClient Client { get; } = client;

    protected GroupId Group { get; } = group;

    protected RequestKind Kind { get; } = kind;

    private bool IsWrite => Kind == RequestKind.Write;

    /// <summary>Why the last attempt did not succeed; for the message of a call that expires.</summary>
    protected string LastProblem { get; set; } = "not sent yet";

    public void Enqueue(PendingOperation operation)
    {
        lock (_lock)
        {
            _queue.Enqueue(operation);
            if (_pumping) return;
            _pumping = true;
        }
        _ = Task.Factory.StartNew(static lane => ((GroupLane)lane!).PumpAsync(), this, CancellationToken.None,
            TaskCreationOptions.DenyChildAttach, Client.Scheduler);
    }

    /// <summary>Ends what is overdue, wherever it is.</summary>
    public void Sweep(TimeSpan now)
    {
        // What is asked this very moment is not overdue yet.
        if (!_pumping && now < TimeSpan.MaxValue) return;
        lock (_lock)
        {
            // Each comes by once; what has ended, cancelled for example, does not go round again.
            for (int left = _queue.Count; left > 0; left--)
            {
                PendingOperation operation = _queue.Dequeue();
                EndIfOverdue(operation, now);
                if (!operation.IsEnded) _queue.Enqueue(operation);
            }
            foreach (PendingOperation operation in _batch) EndIfOverdue(operation, now);
        }
    }

    private void EndIfOverdue(PendingOperation operation, TimeSpan now)
    {
        if (now >= operation.Deadline && !operation.IsEnded) operation.Expire(IsWrite, LastProblem);
    }

    /// <summary>Sends the batch once and deals with the reply.</summary>
    /// <returns>Null if the batch made progress; else how urgently to try again.</returns>
    protected abstract Task<Retry?> AttemptAsync(IReadOnlyList<PendingOperation> batch);

    private async Task PumpAsync()
    {
        int failures = 0;
        while (TakeBatch())
        {
            Retry? retry = null;
            try
            {
                retry = await SendAsync(failures);
                Settle();
                if (retry is { } urgency) await PrepareNextAsync(urgency, ++failures);
            }
            // A reply that makes no sense, or a broken connection object: the callers must hear of it, not wait for
            // their deadline.
#pragma warning disable CA1031
            catch (Exception failure)
#pragma warning restore CA1031
            {
                FailBatch(failure);
                Settle();
                retry = null;
            }
            if (retry is not null) continue;
            failures = 0;
            await _together;
            // The callers just answered go first: what they ask next then travels in the next batch, not the one after.
            await Task.Yield();
        }
    }

    /// <summary>Sends the batch, and notes when the one after it should leave.</summary>
    private async Task<Retry?> SendAsync(int failures)
    {
        _together = Task.CompletedTask;
        // Nobody is to wait for a group that has been refusing.
        if (Client.Convoy is not { } convoy || !IsWrite || failures > 0 || _batch.Count < Convoy.LeastOperations)
            return await AttemptAsync(_batch);
        convoy.Depart(this);
        bool succeeded = false;
        try
        {
            Retry? retry = await AttemptAsync(_batch);
            succeeded = retry is null;
            return retry;
        }
        finally
        {
            _together = convoy.ReturnAsync(this, mayWait: succeeded && !HasFullBatch());
        }
    }

    /// <summary>Whether the next batch is as large as it may be.</summary>
    private bool HasFullBatch()
    {
        lock (_lock)
        {
            if (_queue.Count >= Client.Options.MaxBatchOperations) return true;
            int bytes = 0;
            foreach (PendingOperation operation in _queue)
                if ((bytes += operation.Encoded.Length) >= Client.Options.MaxBatchBytes) return true;
            return false;
        }
    }

    private async Task PrepareNextAsync(Retry retry, int failures)
    {
        // A leader's name is worth one immediate try; a second failure in a row is not a matter of knowing whom to ask.
        if (retry == Retry.AtOnce && failures == 1) return;
        await Client.BackOffAsync(failures);
        // Perhaps the group has moved, or another one has its keys now.
        bool looks = retry == Retry.Merging ? failures % 2 == 1 : failures % FailuresBeforeLooking == 0;
        if (looks) await Client.LookForRoutesAsync();
        else if (ReferenceEquals(_seen, Client.Ranges)) return;
        _seen = Client.Ranges;
        LeaveToOthers();
    }

    /// <summary>Sends elsewhere what belongs to other groups by now.</summary>
    private void LeaveToOthers()
    {
        GroupId heir = FindHeir();
        List<PendingOperation> leaving = [];
        lock (_lock)
        {
            leaving.AddRange(_batch.Where(operation => IsElsewhere(operation, heir)));
            for (int left = _queue.Count; left > 0; left--)
            {
                PendingOperation operation = _queue.Dequeue();
                if (IsElsewhere(operation, heir)) leaving.Add(operation);
                else _queue.Enqueue(operation);
            }
            _batch.RemoveAll(leaving.Contains);
        }
        foreach (PendingOperation operation in leaving) Leave(operation, heir);
    }

    private bool IsElsewhere(PendingOperation operation, GroupId heir) => !operation.IsEnded
        && (operation.MayBeApplied ? heir : Client.OwnersOf(operation, Kind).Owner.Group) != Group;

    /// <summary>The group that has taken over this one, with all that it knew; this one itself while it lives.</summary>
    protected virtual GroupId FindHeir() => Group;

    private void Leave(PendingOperation operation, GroupId heir)
    {
        if (operation.MayBeApplied) Client.Enqueue(heir, Kind, operation);
        else Leave(operation);
    }

    /// <summary>Sends a call that is not in this lane any more to whoever has its keys.</summary>
    private void Leave(PendingOperation operation)
    {
        operation.ForgetNumber();
        if (operation.CanMove) Client.Reroute(operation, Group, Kind);
        else operation.End(new OperationAnswer(AnswerStatus.WrongRange,
            Descriptor: Client.OwnersOf(operation, Kind).Owner));
    }

    /// <summary>Fills the batch from the queue; false ends the pump.</summary>
    private bool TakeBatch()
    {
        lock (_lock)
        {
            // What was told to be over must not be sent again long after, when its session may be gone.
            TimeSpan now = Client.Now;
            foreach (PendingOperation operation in _batch) EndIfOverdue(operation, now);
            _batch.RemoveAll(static o => o.IsEnded);
            int bytes = _batch.Sum(static o => o.Encoded.Length);
            while (_batch.Count < Client.Options.MaxBatchOperations && _queue.TryPeek(out PendingOperation? next))
            {
                if (!next.IsEnded && _batch.Count > 0 && bytes + next.Encoded.Length > Client.Options.MaxBatchBytes)
                    break;
                _queue.Dequeue();
                EndIfOverdue(next, now);
                if (next.IsEnded) continue;
                bytes += next.Encoded.Length;
                _batch.Add(next);
            }
            if (_batch.Count > 0)
            {
                foreach (PendingOperation operation in _batch) operation.IsSent = true;
                return true;
            }
            _pumping = false;
            return false;
        }
    }

    private void FailBatch(Exception failure)
    {
        lock (_lock)
        {
            foreach (PendingOperation operation in _batch)
                operation.Fail(IsWrite ? new OutcomeUnknownException("The write may or may not be applied: "
                    + $"{failure.Message}", failure) : failure);
        }
    }

    private void Settle()
    {
        lock (_lock)
        {
            foreach (PendingOperation operation in _batch) operation.IsSent = false;
        }
    }

    /// <summary>Takes a call that was not applied out of this lane to send it elsewhere.</summary>
    protected void Release(PendingOperation operation)
    {
        lock (_lock)
        {
            _batch.Remove(operation);
            operation.IsSent = false;
        }
        Leave(operation);
    }

    protected static string Describe(in GroupReply reply) => reply.Status switch
    {
        GroupReplyStatus.NotLeader => "no leader found yet",
        GroupReplyStatus.Busy => reply.Reason ?? "the group is busy",
        GroupReplyStatus.Unknown => "no answer",
        GroupReplyStatus.Unavailable => "the replica asked is not up",
        _ => reply.Status.ToString(),
    };

    protected const string BeingMerged = "the group is about to be merged into its neighbour";

    protected static Retry RetryAfter(in GroupReply reply) => reply.IsRedirect ? Retry.AtOnce : Retry.Later;

    internal enum Retry
    {
        AtOnce,
        Later,

        /// <summary>The group is frozen; soon another one may have its keys.</summary>
        Merging,
    }
}
