using Microsoft.Win32.SafeHandles;

namespace Orleans.Raft.Storage;

/// <summary>A real open file; all its operations run on one <see cref="DiskThread"/>.</summary>
internal sealed class LocalDiskFile(string path, SafeFileHandle handle, DiskThread thread, bool flushToDisk) : IDiskFile
{
    private long _length = RandomAccess.GetLength(handle);
    private bool _lengthChanged = true;

    public string Path => path;

    public ValueTask<long> GetLengthAsync() =>
        new(thread.RunAsync("measure", path, () => RandomAccess.GetLength(handle)));

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer) => new(thread.RunAsync("read", path, () =>
    {
        int total = 0;
        while (total < buffer.Length)
        {
            int read = RandomAccess.Read(handle, buffer.Span[total..], offset + total);
            if (read == 0) break;
            total += read;
        }
        return total;
    }));

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes) => new(thread.RunAsync("write", path, () =>
    {
        Write(offset, bytes.Span);
        return true;
    }));

    public ValueTask FlushAsync() => new(thread.RunAsync("flush", path, () =>
    {
        Flush();
        return true;
    }));

    public ValueTask WriteAndFlushAsync(long offset, ReadOnlyMemory<byte> bytes) =>
        new(thread.RunAsync("write and flush", path, () =>
        {
            Write(offset, bytes.Span);
            Flush();
            return true;
        }));

    public ValueTask DisposeAsync() => handle.IsClosed
        ? ValueTask.CompletedTask
        : new(thread.RunAsync("close", path, () =>
    {
        handle.Dispose();
        return true;
    }));

    private void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        RandomAccess.Write(handle, bytes, offset);
        if (offset + bytes.Length <= _length) return;
        _length = offset + bytes.Length;
        _lengthChanged = true;
    }

    private void Flush()
    {
        if (!flushToDisk) return;
        if (OperatingSystem.IsLinux() && !_lengthChanged) UnixSystemCalls.FlushData(handle, path);
        else RandomAccess.FlushToDisk(handle);
        _lengthChanged = false;
    }
}
