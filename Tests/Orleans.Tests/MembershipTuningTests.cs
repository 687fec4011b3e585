using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Raft.Silo;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>How soon a silo that dies is found dead, as the program's own host resolves it: slots wait for that, and
/// elections do not.</summary>
public sealed class MembershipTuningTests
{
    private static readonly ClusterMembershipOptions s_orleans = new();

    [Fact]
    public async Task A_silo_with_slots_is_found_dead_within_seconds()
    {
        ClusterMembershipOptions membership = await ResolveAsync([new Slot(new("slot-1"), "Host=db", "db")]);
        Assert.Equal((TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(1), 3, TimeSpan.FromSeconds(5)),
            (membership.ProbeTimeout, membership.MaxProbeTimeout, membership.NumMissedProbesLimit,
                membership.TableRefreshTimeout));
        Assert.Equal(SiloEntrance.AlivePeriod, membership.IAmAliveTablePublishTimeout);
    }

    [Fact]
    public async Task A_silo_with_a_disk_of_its_own_is_given_more_time()
    {
        ClusterMembershipOptions membership = await ResolveAsync(slots: null);
        Assert.Equal((TimeSpan.FromSeconds(2), 5, s_orleans.TableRefreshTimeout),
            (membership.ProbeTimeout, membership.NumMissedProbesLimit, membership.TableRefreshTimeout));
        Assert.True(membership.MaxProbeTimeout > membership.ProbeTimeout); // Orleans' own.
        Assert.Equal(SiloEntrance.AlivePeriod, membership.IAmAliveTablePublishTimeout);
    }

    /// <summary>Makes the host and starts nothing.</summary>
    private static async Task<ClusterMembershipOptions> ResolveAsync(IReadOnlyList<Slot>? slots)
    {
        IConfigurationRoot configuration = new ConfigurationBuilder().AddInMemoryCollection(
            new Dictionary<string, string?> { [$"{SiloSettings.Section}:Name"] = "silo-1" }).Build();
        SiloSettings settings = SiloSettings.Read(configuration, out _)!;
        if (slots is not null)
            settings = settings with
            {
                Slots = slots, Database = "Host=db", Nodes = [.. slots.Select(slot => slot.Name)],
            };
        SiloEndpoints endpoints = await SiloEndpoints.ResolveAsync(settings, CancellationToken.None);
        using IHost host = SiloHost.Build(settings, endpoints, configuration);
        return host.Services.GetRequiredService<IOptions<ClusterMembershipOptions>>().Value;
    }
}
