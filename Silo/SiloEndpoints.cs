using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Orleans.Raft.Silo;

/// <summary>Where a silo is reached, and where it listens.</summary>
internal sealed record SiloEndpoints(IPAddress Advertised, IPEndPoint Silo, IPEndPoint Gateway, IPEndPoint? Health)
{
    /// <summary>Finds the address that the silo's host name has now.</summary>
    /// <exception cref="ArgumentException">It has none.</exception>
    public static async Task<SiloEndpoints> ResolveAsync(SiloSettings settings, CancellationToken cancellationToken)
    {
        IPAddress advertised = await ResolveAsync(settings.Address, cancellationToken);
        IPAddress any = advertised.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
        IPAddress listens = settings.ListensOnAny ? any : advertised;
        return new SiloEndpoints(advertised, new IPEndPoint(listens, settings.SiloPort),
            new IPEndPoint(listens, settings.GatewayPort),
            settings.HealthPort is { } health ? new IPEndPoint(any, health) : null);
    }

    /// <summary>Says in words which port is taken; null if none is.</summary>
    public string? FindPortInUse()
    {
        (string Key, string Argument, IPEndPoint? Endpoint)[] listeners =
        [
            ("SiloPort", "--silo-port", Silo), ("GatewayPort", "--gateway-port", Gateway),
            ("HealthPort", "--health-port", Health),
        ];
        foreach ((string key, string argument, IPEndPoint? endpoint) in listeners)
        {
            if (endpoint is null) continue;
            using var listener = new TcpListener(endpoint);
            try
            {
                listener.Start();
            }
            catch (SocketException failure)
            {
                string advice = failure.SocketErrorCode == SocketError.AddressNotAvailable
                    ? "no network interface has that address: correct --address, or add --listen-any where others "
                        + "reach this machine by an address that it does not have itself"
                    : "stop what uses it or take another port";
                return $"{SiloSettings.Section}:{key} ({argument}) is {endpoint.Port}, and {endpoint} cannot be listened "
                    + $"on ({failure.Message}); {advice}.";
            }
        }
        return null;
    }

    private static async Task<IPAddress> ResolveAsync(string address, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(address, out IPAddress? written)) return written;
        IPAddress[] found;
        try
        {
            found = await Dns.GetHostAddressesAsync(address, cancellationToken);
        }
        catch (SocketException failure)
        {
            throw new ArgumentException($"{SiloSettings.Section}:Address (--address) is '{address}', which has no address "
                + $"({failure.Message}); write an IP address or a name that resolves.", failure);
        }
        // A name may stand for several: others reach this machine by one that it has itself, and not by its loopback.
        HashSet<IPAddress> own = [.. NetworkInterface.GetAllNetworkInterfaces()
            .SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address)];
        return found.OrderByDescending(own.Contains).ThenBy(IPAddress.IsLoopback)
            .ThenByDescending(a => a.AddressFamily == AddressFamily.InterNetwork).FirstOrDefault()
            ?? throw new ArgumentException($"{SiloSettings.Section}:Address (--address) is '{address}', which has no "
                + "address; write an IP address or a name that resolves.");
    }
}
