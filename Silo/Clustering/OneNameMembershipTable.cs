namespace Orleans.Raft.Silo;

/// <summary>
/// Keeps two silos of one name, started at the same moment, from both entering: of the changes of a table only one is
/// the next, so whoever comes second sees the first.
/// </summary>
internal sealed class OneNameMembershipTable(IMembershipTable inner) : IMembershipTable
{
    private readonly TaskCompletionSource _refused = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Fails when this silo is not let in. Orleans itself would try again for minutes.</summary>
    public Task Refused => _refused.Task;

    public Task InitializeMembershipTable(bool tryInitTableVersion) =>
        inner.InitializeMembershipTableAsync(tryInitTableVersion);

    public Task DeleteMembershipTableEntries(string clusterId) => inner.DeleteMembershipTableEntriesAsync(clusterId);

    public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate) =>
        inner.CleanupDefunctSiloEntriesAsync(beforeDate);

    public Task<MembershipTableData> ReadRow(SiloAddress key) => inner.ReadRowAsync(key);

    public Task<MembershipTableData> ReadAll() => inner.ReadAllAsync();

    public async Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion)
    {
        MembershipTableData table = await inner.ReadAllAsync();
        // What is not of the version that this change is based on is not inserted either.
        if (table.Version.VersionEtag != tableVersion.VersionEtag) return false;
        MembershipEntry? holder = table.Members.Select(m => m.Item1).FirstOrDefault(other =>
            other.Status != SiloStatus.Dead && other.SiloName == entry.SiloName
            && !other.SiloAddress.Endpoint.Equals(entry.SiloAddress.Endpoint));
        if (holder is null) return await inner.InsertRowAsync(entry, tableVersion);
        var refusal = new SiloNameTakenException(holder);
        _refused.TrySetException(refusal);
        throw refusal;
    }

    public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) =>
        inner.UpdateRowAsync(entry, etag, tableVersion);

    public Task UpdateIAmAlive(MembershipEntry entry) => inner.UpdateIAmAliveAsync(entry);
}
