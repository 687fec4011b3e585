using System.Net;
using System.Net.Sockets;

namespace Orleans.Raft.Processes;

/// <summary>Ports for programs that tests start.</summary>
public static class Ports
{
    /// <summary>A port of this machine that nobody listens at now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
