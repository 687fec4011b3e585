using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>The names in a data directory, its lock and its identity.</summary>
internal static class DataDirectory
{
    public const string LogDirectory = "log";
    public const string SnapshotDirectory = "snapshots";
    public const string TemporarySuffix = ".tmp";

    private const string LockFile = "lock";
    private const string IdentityFile = "store";
    private const int IdentityVersion = 1;

    private static ReadOnlySpan<byte> IdentityMagic => "ORAFTSTO"u8;

    public static async ValueTask<IAsyncDisposable> LockAsync(IDisk disk)
    {
        await disk.CreateDirectoryAsync("");
        // Looked at before the lock file is made, so that somebody else's directory is left as it was.
        await RefuseForeignAsync(disk, "", name =>
            name is LockFile or IdentityFile or IdentityFile + TemporarySuffix or LogDirectory or SnapshotDirectory);
        return await disk.LockAsync(LockFile);
    }

    /// <summary>The identity of the store here; null if there is none yet.</summary>
    public static async ValueTask<StoreId?> ReadIdentityAsync(IDisk disk)
    {
        IReadOnlyList<string> names = await disk.ListAsync("");
        if (!names.Contains(IdentityFile)) return null;
        await using IDiskFile file = await disk.OpenAsync(IdentityFile, create: false);
        byte[] header = new byte[FileHeader.Bytes];
        int length = await file.ReadAsync(0, header);
        FileHeader.Check(IdentityFile, header.AsSpan(0, length), IdentityMagic, IdentityVersion, IdentityVersion);
        return new StoreId(new Guid(header.AsSpan(FileHeader.OwnOffset, 16)));
    }

    /// <summary>Makes durable what a process that was killed may have left in the page cache.</summary>
    public static async ValueTask FlushIdentityAsync(IDisk disk)
    {
        await using (IDiskFile file = await disk.OpenAsync(IdentityFile, create: false)) await file.FlushAsync();
        await disk.FlushDirectoryAsync("");
        await disk.FlushDirectoryAsync(SnapshotDirectory);
    }

    /// <summary>
    /// Makes a new store. The identity comes last, when a first segment with a first batch is durable: from then on, a
    /// directory without log has lost it, and is refused.
    /// </summary>
    public static async ValueTask CreateAsync(IDisk disk, StoreId store, int segmentBytes)
    {
        await RemoveUnfinishedCreationAsync(disk);
        await disk.CreateDirectoryAsync(LogDirectory);
        await disk.CreateDirectoryAsync(SnapshotDirectory);
        await SegmentSupply.CreateFirstAsync(disk, store, segmentBytes);
        byte[] header = new byte[FileHeader.Bytes];
        store.Value.TryWriteBytes(header.AsSpan(FileHeader.OwnOffset));
        FileHeader.Seal(header, IdentityMagic, IdentityVersion);
        await using (IDiskFile file = await disk.OpenAsync(IdentityFile + TemporarySuffix, create: true))
            await file.WriteAndFlushAsync(0, header);
        await disk.FlushDirectoryAsync(""); // The directories, before the identity that vouches for them.
        await disk.RenameAsync(IdentityFile + TemporarySuffix, IdentityFile);
        await disk.FlushDirectoryAsync("");
    }

    /// <summary>Throws if a directory holds a name that is not ours.</summary>
    public static async ValueTask<IReadOnlyList<string>> RefuseForeignAsync(IDisk disk, string directory,
        Predicate<string> isOurs)
    {
        IReadOnlyList<string> names = await disk.ListAsync(directory);
        string? foreign = names.FirstOrDefault(name => !isOurs(name));
        if (foreign is null) return names;
        string path = directory.Length == 0 ? foreign : $"{directory}/{foreign}";
        throw new DiskException(DiskFailure.InUse, path,
            $"{disk.Description} holds '{path}', which no store makes; nothing was changed. Give an empty directory "
            + "or a store's own, "
            + "or move that file elsewhere.");
    }

    private static async ValueTask RemoveUnfinishedCreationAsync(IDisk disk)
    {
        IReadOnlyList<string> logs = await disk.ListAsync(LogDirectory);
        IReadOnlyList<string> snapshots = await disk.ListAsync(SnapshotDirectory);
        string first = Path.GetFileName(LogSegment.PathOf(1));
        string? stray = logs.FirstOrDefault(name => name != first && name != first + TemporarySuffix);
        if (snapshots.Count > 0 || stray is not null || await SegmentSupply.IsInUseAsync(disk, 1))
        {
            throw new CorruptionException(IdentityFile, 0,
                $"{disk.Description} has a log or snapshots, but its identity, the file '{IdentityFile}', is missing. "
                + "Nothing was changed. "
                + "Put that file back from where it went; if it is lost, empty the directory and replace this node.");
        }
        foreach (string name in logs) await disk.DeleteAsync($"{LogDirectory}/{name}");
    }
}
