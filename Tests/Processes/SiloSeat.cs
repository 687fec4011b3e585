using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Orleans.Raft.Processes;

/// <summary>Where a silo runs and is reached.</summary>
/// <param name="Entrance">A command that goes there and runs what follows; empty: here.</param>
public sealed record SiloSeat(IPAddress Address, int SiloPort, int GatewayPort, IReadOnlyList<string> Entrance)
{
    /// <summary>Its gateway, as clients write it.</summary>
    public string Gateway => new IPEndPoint(Address, GatewayPort).ToString();

    /// <summary>What its program is told of it.</summary>
    internal string[] Arguments =>
    [
        "--address", Address.ToString(), "--silo-port", SiloPort.ToString(CultureInfo.InvariantCulture),
        "--gateway-port", GatewayPort.ToString(CultureInfo.InvariantCulture),
    ];

    /// <summary>Seats on this machine's loopback, at ports that are free now.</summary>
    internal static SiloSeat[] OnLoopback(int count)
    {
        TcpListener[] listeners =
            [.. Enumerable.Range(0, 2 * count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener listener in listeners) listener.Start();
        int[] ports = [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        foreach (TcpListener listener in listeners) listener.Dispose();
        return [.. Enumerable.Range(0, count).Select(i => new SiloSeat(IPAddress.Loopback, ports[i],
            ports[count + i], []))];
    }
}
