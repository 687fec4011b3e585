using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

/// <summary>The same storage on real files.</summary>
public sealed class LocalDiskTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly string _directory =
        Path.Combine(Path.GetTempPath(), "orleans-raft-storage-tests", Path.GetRandomFileName());

    private static NodeStorageOptions Options => new()
    {
        Scheduler = TaskScheduler.Default,
        Time = TimeProvider.System,
        NewStoreId = Guid.NewGuid,
        SegmentBytes = 64 << 10,
    };

    private static StorageContext Context => new()
    {
        Scheduler = TaskScheduler.Default,
        Time = TimeProvider.System,
        NewStoreId = Guid.NewGuid,
        LogSegmentBytes = 64 << 10,
        Logger = NullLogger.Instance,
    };

    public void Dispose()
    {
        if (Directory.Exists(_directory)) Directory.Delete(_directory, recursive: true);
    }

    private sealed class Waiter : IPersistenceObserver
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public required ulong Until { get; init; }

        public Task Done => _done.Task.WaitAsync(Deadline);

        public void Persisted(ulong number)
        {
            if (number >= Until) _done.TrySetResult();
        }

        public void StorageFailed(Exception failure) => _done.TrySetException(failure);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Writes_from_many_threads_survive_reopening(bool flush)
    {
        await using var disk = new LocalDisk(_directory, new LocalDiskOptions { FlushToDisk = flush });
        await using (NodeStorage storage = await NodeStorage.OpenAsync(disk, Options))
        {
            await storage.WriteFormationAsync(Content(100));
            await Task.WhenAll(Enumerable.Range(1, 4).Select(group => Task.Run(async () =>
            {
                IReplicaStorage replica = await storage.OpenReplicaAsync(new GroupId((uint)group), R1);
                for (ulong write = 1; write <= 100; write++)
                {
                    var waiter = new Waiter { Until = write };
                    replica.Submit(new PersistRequest(write, null, null, Entries((write * 5) - 4, 5, bytes: 200)),
                        waiter);
                    if (write % 3 == 0) await waiter.Done;
                    if (write % 40 != 0) continue;
                    await waiter.Done;
                    await using ISnapshotWriter writer = await replica.CreateSnapshotAsync(Id(write * 5));
                    await writer.WriteAsync(Content(10_000, group));
                    await replica.RecordSnapshotAsync(await writer.FinishAsync());
                }
            })));
            Assert.Null(storage.Status.Failure);
        }
        await using (NodeStorage storage = await NodeStorage.OpenAsync(disk, Options))
        {
            Assert.Equal(Content(100), storage.Formation!.Value.ToArray());
            Assert.True(storage.Status.LogBytes < (2 * storage.Status.LiveBytes) + (4 * Options.SegmentBytes));
            Assert.Equal(4, storage.Status.SnapshotFiles);
            for (uint group = 1; group <= 4; group++)
            {
                IReplicaStorage replica = await storage.OpenReplicaAsync(new GroupId(group), R1);
                Same.State(new RaftState(default, Id(400), Entries(401, 100, bytes: 200)), replica.Recovered.State);
                await using ISnapshotReader reader = await replica.OpenSnapshotAsync(replica.Snapshot!);
                byte[] content = new byte[10_000];
                Assert.Equal(10_000, await reader.ReadAsync(0, content));
                Assert.Equal(Content(10_000, (int)group), content);
            }
        }
    }

    [Fact]
    public async Task A_crash_releases_the_directory_and_keeps_what_was_acknowledged()
    {
        await using var disk = new LocalDisk(_directory);
        NodeStorage storage = await NodeStorage.OpenAsync(disk, Options);
        IReplicaStorage replica = await storage.OpenReplicaAsync(G1, R1);
        var waiter = new Waiter { Until = 1 };
        replica.Submit(new PersistRequest(1, null, null, Entries(1, 10)), waiter);
        await waiter.Done;
        await storage.CrashAsync();
        await using NodeStorage again = await NodeStorage.OpenAsync(disk, Options);
        IReplicaStorage reopened = await again.OpenReplicaAsync(G1, R1);
        Same.State(new RaftState(default, EntryId.Zero, Entries(1, 10)), reopened.Recovered.State);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Storage_that_owns_its_disk_ends_it_when_it_ends_or_cannot_be_opened(bool crashes)
    {
        var disk = new LocalDisk(_directory);
        INodeStorage storage = await NodeStorage.OpenOwnedAsync(disk, Context);
        var refused = new LocalDisk(_directory);
        await Assert.ThrowsAsync<DiskException>(() => NodeStorage.OpenOwnedAsync(refused, Context));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await refused.ListAsync(""));
        Assert.NotEmpty(await disk.ListAsync(""));

        if (crashes) await storage.CrashAsync();
        await storage.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await disk.ListAsync(""));
        await using INodeStorage after = await NodeStorage.OpenOwnedAsync(new LocalDisk(_directory), Context);
        Assert.Equal(storage.StoreId, after.StoreId);
    }

    [Fact]
    public async Task Two_handles_in_one_process_exclude_each_other()
    {
        await using var first = new LocalDisk(_directory);
        await using var second = new LocalDisk(_directory);
        NodeStorage storage = await NodeStorage.OpenAsync(first, Options);
        DiskException exception = await Assert.ThrowsAsync<DiskException>(() => NodeStorage.OpenAsync(second, Options));
        Assert.Equal(DiskFailure.InUse, exception.Failure);
        Assert.Contains(_directory, exception.Message, StringComparison.Ordinal);
        Assert.Contains("Another process uses this data directory", exception.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DiskException>(() => NodeStorage.OpenAsync(first, Options));
        await storage.DisposeAsync();
        await using NodeStorage after = await NodeStorage.OpenAsync(second, Options);
    }

    /// <summary>Uses the system's <c>flock</c> tool as the other process; Linux only.</summary>
    [Fact]
    public async Task Two_processes_exclude_each_other()
    {
        if (!OperatingSystem.IsLinux()) return;
        await using var disk = new LocalDisk(_directory);
        NodeStorage storage = await NodeStorage.OpenAsync(disk, Options);
        string lockFile = Path.Combine(_directory, "lock");
        Assert.Equal(1, await RunAsync("flock", "--nonblock", lockFile, "true"));
        await storage.DisposeAsync();

        using Process other = Process.Start(new ProcessStartInfo("flock", [lockFile, "sh", "-c", "echo held; cat"])
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        })!;
        Assert.Equal("held", await other.StandardOutput.ReadLineAsync().WaitAsync(Deadline));
        Assert.Equal(DiskFailure.InUse,
            (await Assert.ThrowsAsync<DiskException>(() => NodeStorage.OpenAsync(disk, Options))).Failure);
        other.StandardInput.Close();
        await other.WaitForExitAsync().WaitAsync(Deadline);
        await using NodeStorage after = await NodeStorage.OpenAsync(disk, Options);
    }

    [Fact]
    public async Task Failures_say_what_kind_which_path_and_what_to_do()
    {
        await using var disk = new LocalDisk(_directory);
        await disk.CreateDirectoryAsync("");
        DiskException missing = await Assert.ThrowsAsync<DiskException>(async () =>
            await disk.OpenAsync("log/00000001.log", create: false));
        Assert.Equal(DiskFailure.NotFound, missing.Failure);
        Assert.Equal(Path.Combine(_directory, "log/00000001.log"), missing.Path);
        Assert.Contains(missing.Path, missing.Message, StringComparison.Ordinal);
        Assert.Contains("open", missing.Message, StringComparison.Ordinal);
        if (OperatingSystem.IsWindows()) return;

        int[] codes = [28, 13, 1, 30, 2, 5];
        Assert.Equal(
            [DiskFailure.Full, DiskFailure.PermissionDenied, DiskFailure.PermissionDenied, DiskFailure.PermissionDenied,
                DiskFailure.NotFound, DiskFailure.Io],
            codes.Select(code => DiskErrors.FromSystemCall(code, "write", "x").Failure));
        Assert.Contains("free space", DiskErrors.FromSystemCall(28, "write", "x").Message, StringComparison.Ordinal);
        Assert.Contains("read and write access", DiskErrors.FromSystemCall(13, "write", "x").Message,
            StringComparison.Ordinal);
        Assert.Contains("system's log", DiskErrors.FromSystemCall(5, "flush", "x").Message, StringComparison.Ordinal);
        Assert.Equal(DiskFailure.PermissionDenied,
            DiskErrors.From(new UnauthorizedAccessException(), "open", "x").Failure);
    }

    /// <summary><c>/dev/full</c> answers every write as a full disk does; Linux only.</summary>
    [Fact]
    public async Task A_full_device_is_reported_as_full()
    {
        if (!OperatingSystem.IsLinux()) return;
        await using var disk = new LocalDisk("/dev");
        await using IDiskFile file = await disk.OpenAsync("full", create: false);
        DiskException exception =
            await Assert.ThrowsAsync<DiskException>(async () => await file.WriteAsync(0, Content(10)));
        Assert.Equal(DiskFailure.Full, exception.Failure);
    }

    [Fact]
    public async Task Files_keep_the_order_of_operations_and_survive_renaming()
    {
        await using var disk = new LocalDisk(_directory);
        await disk.CreateDirectoryAsync("snapshots");
        await using IDiskFile file = await disk.OpenAsync("snapshots/a.tmp", create: true);
        Task[] writes = [.. Enumerable.Range(0, 100).Select(i => file.WriteAsync(i % 7, new[] { (byte)i }).AsTask())];
        byte[] read = new byte[20];
        int length = await file.ReadAsync(0, read);
        await Task.WhenAll(writes);
        Assert.Equal(7, length);
        Assert.Equal([98, 99, 93, 94, 95, 96, 97], read[..7]);
        await file.FlushAsync();
        await disk.RenameAsync("snapshots/a.tmp", "snapshots/b.snap");
        await disk.FlushDirectoryAsync("snapshots");
        Assert.Equal(["b.snap"], await disk.ListAsync("snapshots"));
        Assert.Equal(7, await file.GetLengthAsync());
        await disk.DeleteAsync("snapshots/b.snap");
        Assert.Empty(await disk.ListAsync("snapshots"));
        Assert.Empty(await disk.ListAsync("nowhere"));
    }

    private static async Task<int> RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        await process.WaitForExitAsync().WaitAsync(Deadline);
        return process.ExitCode;
    }
}
