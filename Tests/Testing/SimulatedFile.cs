using Orleans.Raft.Storage;

namespace Orleans.Raft.Testing;

/// <summary>An open file of a <see cref="SimulatedDisk"/>.</summary>
internal sealed class SimulatedFile(SimulatedDisk disk, string path, SimulatedContent content, long life) : IDiskFile
{
    private Task _last = Task.CompletedTask;

    public string Path => path;

    public ValueTask<long> GetLengthAsync() => new(Do(DiskOperationKind.Read, 0, () => content.Length));

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer) => InOrder(async () =>
    {
        await WaitAsync(DiskOperationKind.Read, buffer.Length);
        return Do(DiskOperationKind.Read, buffer.Length, () => content.Read(offset, buffer.Span));
    });

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes) =>
        await InOrder(() => WriteNowAsync(offset, bytes));

    public async ValueTask FlushAsync() => await InOrder(FlushNowAsync);

    public async ValueTask WriteAndFlushAsync(long offset, ReadOnlyMemory<byte> bytes) => await InOrder(async () =>
    {
        await WriteNowAsync(offset, bytes);
        return await FlushNowAsync();
    });

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async ValueTask<bool> WriteNowAsync(long offset, ReadOnlyMemory<byte> bytes)
    {
        Do(DiskOperationKind.Write, bytes.Length, () =>
        {
            disk.Grow(content, offset + bytes.Length, path);
            content.Write(offset, bytes.Span);
            return true;
        });
        await WaitAsync(DiskOperationKind.Write, bytes.Length);
        return true;
    }

    private async ValueTask<bool> FlushNowAsync()
    {
        await WaitAsync(DiskOperationKind.Flush, 0);
        await disk.HangOf(path);
        return Do(DiskOperationKind.Flush, 0, () =>
        {
            content.Flush();
            return true;
        });
    }

    private ValueTask WaitAsync(DiskOperationKind kind, int length) =>
        disk.Latency?.Invoke(new DiskOperation(kind, path, length)) ?? ValueTask.CompletedTask;

    private T Do<T>(DiskOperationKind kind, int length, Func<T> action) =>
        disk.WithFile(life, new DiskOperation(kind, path, length), action);

    /// <summary>Waits for the operation before; what became of that one is its caller's business.</summary>
    private async ValueTask<T> InOrder<T>(Func<ValueTask<T>> operation)
    {
        Task before = _last;
        if (before.IsCompleted)
        {
            ValueTask<T> direct = operation();
            if (direct.IsCompleted) return await direct;
            Task<T> running = direct.AsTask();
            _last = running;
            return await running;
        }
        Task<T> queued = AfterAsync(before, operation);
        _last = queued;
        return await queued;
    }

    private static async Task<T> AfterAsync<T>(Task before, Func<ValueTask<T>> operation)
    {
        await Task.WhenAny(before);
        return await operation();
    }
}
