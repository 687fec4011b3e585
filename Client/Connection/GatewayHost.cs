using System.Globalization;
using System.Net;

namespace Orleans.Raft.Client;

/// <summary>Where a silo takes clients: an IP address or a host name, and a port.</summary>
internal readonly record struct GatewayHost(string Host, int Port)
{
    /// <summary>Reads a list with commas: <c>10.0.0.1:30000</c>, <c>[::1]:30000</c>, <c>silo-1.example:30000</c>.</summary>
    /// <exception cref="ArgumentException">One is no host and port; the message names it.</exception>
    public static GatewayHost[] ParseList(string list) =>
        [.. list.Split(',', StringSplitOptions.TrimEntries).Select(Parse)];

    /// <summary>The addresses that the host has now; none if its name does not resolve.</summary>
    public async Task<IPEndPoint[]> ResolveAsync()
    {
        int port = Port;
        if (IPAddress.TryParse(Host, out IPAddress? written)) return [new IPEndPoint(written, port)];
        try
        {
            return [.. (await Dns.GetHostAddressesAsync(Host)).Select(address => new IPEndPoint(address, port))];
        }
        catch (System.Net.Sockets.SocketException)
        {
            return [];
        }
    }

    public override string ToString() => Host.Contains(':', StringComparison.Ordinal)
        ? $"[{Host}]:{Port}"
        : $"{Host}:{Port}";

    private static GatewayHost Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon > 0
            && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port)
            && port is > 0 and <= IPEndPoint.MaxPort)
        {
            string host = text[..colon];
            if (host is ['[', .. var inner, ']'])
            {
                if (Uri.CheckHostName(inner) == UriHostNameType.IPv6) return new GatewayHost(inner, port);
            }
            else if (Uri.CheckHostName(host) is UriHostNameType.IPv4 or UriHostNameType.Dns)
            {
                return new GatewayHost(host, port);
            }
        }
        throw new ArgumentException($"'{text}' is no gateway; write hosts and ports, such as 10.0.0.1:30000, "
            + "[2001:db8::1]:30000 or silo-1.example:30000.");
    }
}
