using System.Text.Json;

namespace Orleans.Raft.Silo;

/// <summary>
/// Orleans' membership table in a file that all silos of one machine share, so that any of them may die, the first one
/// too. Every change reads, changes and replaces the file under an exclusive lock on a file beside it; the lock dies
/// with its process.
/// </summary>
internal sealed class FileMembershipTable(string path) : IMembershipTable
{
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LockRetry = TimeSpan.FromMilliseconds(5);

    private readonly string _path = Path.GetFullPath(path);

    public Task InitializeMembershipTable(bool tryInitTableVersion)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        return UnderLockAsync(file => (true, file.Changes == 0));
    }

    public Task DeleteMembershipTableEntries(string clusterId) => UnderLockAsync(file =>
    {
        file.Rows.Clear();
        return (true, true);
    });

    public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => UnderLockAsync(file =>
    {
        int removed = file.Rows.RemoveAll(r => r.Status == SiloStatus.Dead && r.IAmAliveTime < beforeDate.UtcDateTime
            && r.StartTime < beforeDate.UtcDateTime);
        return (true, removed > 0);
    });

    public Task<MembershipTableData> ReadRow(SiloAddress key) => UnderLockAsync(file =>
        (file.ToTable(file.Find(key) is { } row ? [row] : []), false));

    public Task<MembershipTableData> ReadAll() => UnderLockAsync(file => (file.ToTable(file.Rows), false));

    public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) => UnderLockAsync(file =>
    {
        if (file.VersionEtag != tableVersion.VersionEtag || file.Find(entry.SiloAddress) is not null)
            return (false, false);
        file.Rows.Add(MembershipFile.Row.Of(entry, file.NextEtag()));
        Advance(file, tableVersion);
        return (true, true);
    });

    public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) => UnderLockAsync(file =>
    {
        if (file.VersionEtag != tableVersion.VersionEtag || file.Find(entry.SiloAddress) is not { } row
            || row.Etag != etag) return (false, false);
        file.Rows[file.Rows.IndexOf(row)] = MembershipFile.Row.Of(entry, file.NextEtag());
        Advance(file, tableVersion);
        return (true, true);
    });

    /// <summary>Leaves version and etags as they are, as the contract asks: only the time changes.</summary>
    public Task UpdateIAmAlive(MembershipEntry entry) => UnderLockAsync(file =>
    {
        if (file.Find(entry.SiloAddress) is not { } row) return (false, false);
        row.IAmAliveTime = entry.IAmAliveTime;
        return (true, true);
    });

    private static void Advance(MembershipFile file, TableVersion version)
    {
        file.Version = version.Version;
        file.VersionEtag = file.NextEtag();
    }

    private async Task<T> UnderLockAsync<T>(Func<MembershipFile, (T Result, bool Changed)> work)
    {
        await using FileStream held = await LockAsync();
        MembershipFile file = await ReadAsync();
        (T result, bool changed) = work(file);
        if (changed)
        {
            string next = _path + ".next";
            await File.WriteAllBytesAsync(next, file.ToJson());
            File.Move(next, _path, overwrite: true);
        }
        return result;
    }

    private async Task<MembershipFile> ReadAsync()
    {
        if (!File.Exists(_path)) return new MembershipFile();
        try
        {
            return MembershipFile.Parse(await File.ReadAllBytesAsync(_path));
        }
        catch (Exception failure) when (failure is JsonException or InvalidDataException)
        {
            throw new InvalidDataException($"{_path} is no membership file ({failure.Message}). Stop all silos of the "
                + "cluster and delete it: it holds nothing that lasts.", failure);
        }
    }

    private async Task<FileStream> LockAsync()
    {
        string name = _path + ".lock";
        long start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return new FileStream(name, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
            }
            catch (IOException failure) when (failure is not (DirectoryNotFoundException or FileNotFoundException))
            {
                // Held by another silo for the length of one small write.
                if (TimeProvider.System.GetElapsedTime(start) > LockTimeout)
                    throw new IOException($"{name} was held by another process for more than "
                        + $"{LockTimeout.TotalSeconds} s: {failure.Message}", failure);
            }
            await Task.Delay(LockRetry);
        }
    }
}
