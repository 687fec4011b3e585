using System.Net;
using System.Net.Sockets;
using Orleans.Raft.Silo;
using Orleans.Runtime;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>What Orleans asks of a membership table, on a file that several processes share.</summary>
public sealed class FileMembershipTableTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("membership-").FullName;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public FileMembershipTableTests() => _listener.Start();

    private string FileName => Path.Combine(_directory, "deep", "membership.json");

    /// <summary>Where something listens, so that the silo is not taken for gone.</summary>
    private int LivePort => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Dispose()
    {
        _listener.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task A_row_comes_back_as_it_was_written_through_another_instance()
    {
        FileMembershipTable table = await OpenAsync();
        MembershipEntry entry = Entry(1);
        entry.AddSuspector(Address(2), new DateTime(2024, 5, 6, 7, 8, 9, DateTimeKind.Utc));
        Assert.True(await table.InsertRow(entry, (await table.ReadAll()).Version.Next()));
        MembershipTableData read = await (await OpenAsync()).ReadRow(entry.SiloAddress);
        MembershipEntry found = Assert.Single(read.Members).Item1;
        Assert.Equal(1, read.Version.Version);
        Assert.Equal(entry.ToFullString(), found.ToFullString());
        Assert.Equal(entry.IAmAliveTime, found.IAmAliveTime);
        Assert.Empty((await table.ReadRow(Address(9))).Members);
    }

    [Fact]
    public async Task Only_the_latest_version_may_be_changed()
    {
        FileMembershipTable table = await OpenAsync();
        TableVersion old = (await table.ReadAll()).Version;
        Assert.True(await table.InsertRow(Entry(1), old.Next()));
        Assert.False(await table.InsertRow(Entry(2), old.Next()));
        Assert.False(await table.InsertRow(Entry(1), (await table.ReadAll()).Version.Next()));

        MembershipTableData now = await table.ReadAll();
        (MembershipEntry entry, string etag) = now.Members[0];
        Assert.False(await table.UpdateRow(entry, etag, old.Next()));
        Assert.False(await table.UpdateRow(entry, "other", now.Version.Next()));
        entry.Status = SiloStatus.Dead;
        Assert.True(await table.UpdateRow(entry, etag, now.Version.Next()));
        Assert.False(await table.UpdateRow(entry, etag, (await table.ReadAll()).Version.Next()));
        Assert.Equal(SiloStatus.Dead, (await table.ReadAll()).Members[0].Item1.Status);
        Assert.Equal(2, (await table.ReadAll()).Version.Version);
    }

    [Fact]
    public async Task Being_alive_changes_neither_version_nor_etag()
    {
        FileMembershipTable table = await OpenAsync();
        await table.InsertRow(Entry(1), (await table.ReadAll()).Version.Next());
        MembershipTableData before = await table.ReadAll();
        MembershipEntry alive = Entry(1);
        alive.IAmAliveTime = alive.IAmAliveTime.AddMinutes(1);
        await table.UpdateIAmAlive(alive);
        MembershipTableData after = await table.ReadAll();
        Assert.Equal(before.Version, after.Version);
        Assert.Equal(before.Members[0].Item2, after.Members[0].Item2);
        Assert.Equal(alive.IAmAliveTime, after.Members[0].Item1.IAmAliveTime);
    }

    [Fact]
    public async Task Every_change_counts_when_many_change_at_once()
    {
        const int Writers = 4, Each = 25;
        await OpenAsync();
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            var table = new FileMembershipTable(FileName);
            for (int i = 0; i < Each; i++)
            {
                while (!await table.InsertRow(Entry(writer * Each + i + 1), (await table.ReadAll()).Version.Next()))
                {
                    // Another one was faster: read again, as Orleans does.
                }
            }
        })));
        MembershipTableData read = await (await OpenAsync()).ReadAll();
        Assert.Equal(Writers * Each, read.Members.Count);
        Assert.Equal(Writers * Each, read.Version.Version);
        Assert.Equal(Writers * Each, read.Members.Select(m => m.Item2).Distinct().Count());
    }

    [Fact]
    public async Task Old_dead_rows_are_cleaned_and_others_stay()
    {
        FileMembershipTable table = await OpenAsync();
        MembershipEntry dead = Entry(1);
        dead.Status = SiloStatus.Dead;
        await table.InsertRow(dead, (await table.ReadAll()).Version.Next());
        await table.InsertRow(Entry(2), (await table.ReadAll()).Version.Next());
        await table.CleanupDefunctSiloEntries(new DateTimeOffset(dead.IAmAliveTime).AddDays(-1));
        Assert.Equal(2, (await table.ReadAll()).Members.Count);
        await table.CleanupDefunctSiloEntries(new DateTimeOffset(dead.IAmAliveTime).AddDays(1));
        Assert.Equal(Entry(2).SiloAddress, Assert.Single((await table.ReadAll()).Members).Item1.SiloAddress);
        await table.DeleteMembershipTableEntries("any");
        Assert.Empty((await table.ReadAll()).Members);
    }

    [Fact]
    public async Task A_file_that_is_something_else_is_refused_by_name()
    {
        await OpenAsync();
        await File.WriteAllTextAsync(FileName, "hello");
        InvalidDataException failure =
            await Assert.ThrowsAsync<InvalidDataException>(() => new FileMembershipTable(FileName).ReadAll());
        Assert.Contains(FileName, failure.Message, StringComparison.Ordinal);
    }

    private async Task<FileMembershipTable> OpenAsync()
    {
        var table = new FileMembershipTable(FileName);
        await table.InitializeMembershipTable(true);
        return table;
    }

    private SiloAddress Address(int generation) => SiloAddress.New(IPAddress.Loopback, LivePort, generation);

    private MembershipEntry Entry(int generation, SiloAddress? address = null) => new()
    {
        SiloAddress = address ?? Address(generation),
        Status = SiloStatus.Active,
        SiloName = $"silo-{generation}",
        HostName = "here",
        RoleName = "role",
        ProxyPort = 30000,
        UpdateZone = 1,
        FaultZone = 2,
        StartTime = new DateTime(2024, 1, 2, 3, 4, 5, DateTimeKind.Utc),
        IAmAliveTime = new DateTime(2024, 1, 2, 3, 4, 6, DateTimeKind.Utc),
    };
}
