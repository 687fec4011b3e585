using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Messaging;

namespace Orleans.Raft.Client;

/// <summary>Gateways from a list of hosts, whose names are resolved again and again: a container that was started anew
/// may have another address.</summary>
internal sealed class GatewayHostList(IReadOnlyList<GatewayHost> hosts, IOptions<GatewayOptions> options)
    : IGatewayListProvider
{
    public TimeSpan MaxStaleness => options.Value.GatewayListRefreshPeriod;

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    public async Task<IList<Uri>> GetGateways() =>
        [.. (await Task.WhenAll(hosts.Select(host => host.ResolveAsync()))).SelectMany(found => found).Distinct()
            .Select(endpoint => endpoint.ToGatewayUri())];
}
