using Orleans.Raft.Storage;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>A real disk whose log stops answering when told to, and may then fail.</summary>
internal sealed class HoldingDisk(IDisk disk) : IDisk
{
    private volatile TaskCompletionSource? _hold;

    public string Description => disk.Description;

    /// <summary>From now on no write to the log ends.</summary>
    public void HoldLog() => _hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What was held fails.</summary>
    public void FailLog() =>
        _hold!.SetException(new DiskException(DiskFailure.Io, "log", "The disk of this test has failed."));

    public ValueTask<IAsyncDisposable> LockAsync(string path) => disk.LockAsync(path);

    public ValueTask CreateDirectoryAsync(string path) => disk.CreateDirectoryAsync(path);

    public ValueTask<IReadOnlyList<string>> ListAsync(string directory) => disk.ListAsync(directory);

    public async ValueTask<IDiskFile> OpenAsync(string path, bool create) =>
        new File(this, await disk.OpenAsync(path, create));

    public ValueTask DeleteAsync(string path) => disk.DeleteAsync(path);

    public ValueTask RenameAsync(string from, string to) => disk.RenameAsync(from, to);

    public ValueTask FlushDirectoryAsync(string path) => disk.FlushDirectoryAsync(path);

    public ValueTask DisposeAsync() => disk.DisposeAsync();

    private sealed class File(HoldingDisk holder, IDiskFile file) : IDiskFile
    {
        public string Path => file.Path;

        private Task Held => file.Path.EndsWith(".log", StringComparison.Ordinal) && holder._hold is { } hold
            ? hold.Task : Task.CompletedTask;

        public ValueTask<long> GetLengthAsync() => file.GetLengthAsync();

        public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer) => file.ReadAsync(offset, buffer);

        public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes)
        {
            await Held;
            await file.WriteAsync(offset, bytes);
        }

        public async ValueTask FlushAsync()
        {
            await Held;
            await file.FlushAsync();
        }

        public async ValueTask WriteAndFlushAsync(long offset, ReadOnlyMemory<byte> bytes)
        {
            await Held;
            await file.WriteAndFlushAsync(offset, bytes);
        }

        public ValueTask DisposeAsync() => file.DisposeAsync();
    }
}
