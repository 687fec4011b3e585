using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue;

/// <summary>The waiting batches of one group and kind.</summary>
internal sealed class JoinerLane(
    IStoreConnection target, GroupId group, RequestKind kind, RequestJoinerOptions options, TaskScheduler scheduler)
{
    private readonly Lock _lock = new();
    private readonly Queue<Part> _waiting = new();
    private readonly List<Part> _batch = [];
    private readonly CommandBatchWriter _commands = new();
    private readonly ReadBatchWriter _reads = new();
    private int _waitingBytes;

    // Invariant: at most one pump runs; set and cleared under the lock.
    private bool _pumping;

    /// <param name="count">Commands or reads in the batch.</param>
    public Task<GroupReply> ExecuteAsync(ReadOnlyMemory<byte> batch, int count)
    {
        var part = new Part(batch, count);
        lock (_lock)
        {
            if (_waiting.Count >= options.MaxWaitingBatches
                || (_waiting.Count > 0 && _waitingBytes + batch.Length > options.MaxWaitingBytes))
                return Task.FromResult(GroupReply.Of(GroupReplyStatus.Busy));
            _waiting.Enqueue(part);
            _waitingBytes += batch.Length;
            if (_pumping) return part.Task;
            _pumping = true;
        }
        _ = Task.Factory.StartNew(static lane => ((JoinerLane)lane!).PumpAsync(), this, CancellationToken.None,
            TaskCreationOptions.DenyChildAttach, scheduler);
        return part.Task;
    }

    private async Task PumpAsync()
    {
        while (TakeBatch())
        {
            GroupReply reply = await target.ExecuteAsync(group, new GroupRequest(kind, Join()));
            // Nothing was proposed, perhaps because of one caller alone; the others should not wait for that one.
            if (reply is { Status: GroupReplyStatus.Busy, Reason: null } && _batch.Count > 1)
            {
                foreach (Part part in _batch)
                    part.SetResult(await target.ExecuteAsync(group, new GroupRequest(kind, part.Batch)));
            }
            else
            {
                Distribute(reply);
            }
            _batch.Clear();
        }
    }

    private bool TakeBatch()
    {
        lock (_lock)
        {
            int bytes = 0;
            while (_waiting.TryPeek(out Part? part)
                && (_batch.Count == 0 || bytes + part.Batch.Length <= options.MaxJoinedBytes))
            {
                _waiting.Dequeue();
                _waitingBytes -= part.Batch.Length;
                bytes += part.Batch.Length;
                _batch.Add(part);
            }
            _pumping = _batch.Count > 0;
            return _pumping;
        }
    }

    private ReadOnlyMemory<byte> Join()
    {
        if (_batch.Count == 1) return _batch[0].Batch;
        if (kind == RequestKind.Write)
        {
            _commands.Reset();
            foreach (Part part in _batch) _commands.AddAll(part.Batch.Span);
            return _commands.ToArray();
        }
        _reads.Reset();
        foreach (Part part in _batch) _reads.AddAll(part.Batch.Span);
        return _reads.ToArray();
    }

    private void Distribute(in GroupReply reply)
    {
        if (_batch.Count == 1 || reply.Status != GroupReplyStatus.Answered)
        {
            foreach (Part part in _batch) part.SetResult(reply);
            return;
        }
        var answers = new AnswerBatchReader(reply.Answers.Span);
        bool complete = answers.Count == _batch.Sum(static p => p.Count);
        foreach (Part part in _batch)
        {
            // An answer that does not fit the question says nothing about what happened.
            part.SetResult(complete
                ? reply with { Answers = answers.TakeSlice(part.Count) }
                : GroupReply.Of(GroupReplyStatus.Unknown));
        }
    }

    private sealed class Part(ReadOnlyMemory<byte> batch, int count)
        : TaskCompletionSource<GroupReply>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public ReadOnlyMemory<byte> Batch { get; } = batch;

        public int Count { get; } = count;
    }
}
