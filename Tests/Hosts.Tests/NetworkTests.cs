using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Orleans.Raft.Hosts.Tests;

/// <summary>The network itself, without silos.</summary>
public sealed class NetworkTests
{
    private const int Port = 4000;

    /// <summary>For packets that must arrive.</summary>
    private const int ReceiveTimeoutMilliseconds = 60_000;

    [HostsFact]
    public void A_cut_drops_one_direction_of_both_address_families_and_ends_when_it_is_healed()
    {
        using HostNetwork network = Create(TimeSpan.Zero);
        foreach (bool isIPv6 in new[] { false, true })
        {
            using Socket first = Open(network, 1, isIPv6), second = Open(network, 2, isIPv6);
            using Socket third = Open(network, 3, isIPv6);
            Send(first, 2, isIPv6);
            Assert.Equal(Address(1, isIPv6), Receive(second));
            network.Apply(new CutRules("test").Cut([HostNetwork.PortOf(1)], [HostNetwork.PortOf(2)]));
            // Had the first arrived, it would have come first.
            Send(first, 2, isIPv6);
            Send(third, 2, isIPv6);
            Assert.Equal(Address(3, isIPv6), Receive(second));
            Send(second, 1, isIPv6);
            Assert.Equal(Address(2, isIPv6), Receive(first));
            network.Apply(new CutRules("test"));
            Send(first, 2, isIPv6);
            Assert.Equal(Address(1, isIPv6), Receive(second));
        }
    }

    /// <summary>Who asks in vain for a hardware address is told after three seconds that there is no way.</summary>
    [HostsFact]
    public void A_cut_tells_the_sender_nothing_however_long_it_lasts()
    {
        using HostNetwork network = Create(TimeSpan.Zero);
        network.Apply(new CutRules("test").Cut([HostNetwork.PortOf(1)], [HostNetwork.PortOf(2)])
            .Cut([HostNetwork.PortOf(2)], [HostNetwork.PortOf(1)]));
        foreach (bool isIPv6 in new[] { false, true })
        {
            using Socket first = Open(network, 1, isIPv6);
            first.Connect(Address(2, isIPv6));
            first.Send([1]);
            first.ReceiveTimeout = 5000;
            SocketException silence = Assert.Throws<SocketException>(() => first.Receive(new byte[1]));
            Assert.Contains(silence.SocketErrorCode, new[] { SocketError.TimedOut, SocketError.WouldBlock });
        }
    }

    [HostsFact]
    public void What_a_host_sends_is_delayed_and_arrives_in_order()
    {
        TimeSpan delay = TimeSpan.FromMilliseconds(150);
        var said = new List<string>();
        using HostNetwork network = HostNetwork.Create(2, delay, said.Add);
        Assert.Contains("150 ms", Assert.Single(said), StringComparison.Ordinal);
        foreach (bool isIPv6 in new[] { false, true })
        {
            using Socket first = Open(network, 1, isIPv6), second = Open(network, 2, isIPv6);
            long start = Stopwatch.GetTimestamp();
            for (byte number = 0; number < 100; number++) first.SendTo([number], Address(2, isIPv6));
            byte[] received = new byte[1];
            for (byte number = 0; number < 100; number++)
            {
                Assert.Equal(1, second.Receive(received));
                Assert.Equal(number, received[0]);
                Assert.True(Stopwatch.GetElapsedTime(start) >= delay);
            }
        }
    }

    [HostsFact]
    public void Nothing_is_left_of_a_network_that_is_disposed_of_not_even_processes()
    {
        HostNetwork network = Create(TimeSpan.Zero);
        string[] entrance = [.. network.Entrance(1)];
        using Process child = Process.Start(new ProcessStartInfo(entrance[0], [.. entrance[1..], "sleep", "600"]))!;
        string name = entrance[^1];
        Assert.Contains(name, Tool.Run("ip", "", "netns", "list"), StringComparison.Ordinal);
        network.Dispose();
        Assert.True(child.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.DoesNotContain(name, Tool.Run("ip", "", "netns", "list"), StringComparison.Ordinal);
    }

    [HostsFact]
    public async Task What_a_dead_run_left_is_removed_by_the_next_also_by_two_at_once()
    {
        // No process has a number as high as this.
        const string Left = "raft-2147483647.1-";
        for (int host = 1; host <= 20; host++) Tool.Run("ip", "", "netns", "add", $"{Left}{host}");
        HostNetwork[] networks = await Task.WhenAll(Task.Run(() => Create(TimeSpan.Zero)),
            Task.Run(() => Create(TimeSpan.Zero)));
        foreach (HostNetwork network in networks) network.Dispose();
        Assert.DoesNotContain(Left, Tool.Run("ip", "", "netns", "list"), StringComparison.Ordinal);
    }

    private static HostNetwork Create(TimeSpan delay) => HostNetwork.Create(3, delay, _ => { });

    private static IPEndPoint Address(int host, bool isIPv6) => new(HostNetwork.AddressOf(host, isIPv6), Port);

    private static Socket Open(HostNetwork network, int host, bool isIPv6) => network.RunOn(host, () =>
    {
        IPEndPoint address = Address(host, isIPv6);
        var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp)
        {
            ReceiveTimeout = ReceiveTimeoutMilliseconds,
        };
        socket.Bind(address);
        return socket;
    });

    private static void Send(Socket from, int to, bool isIPv6) => from.SendTo([1], Address(to, isIPv6));

    /// <returns>Who sent what came first.</returns>
    private static EndPoint Receive(Socket socket)
    {
        EndPoint from = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork
            ? IPAddress.Any : IPAddress.IPv6Any, 0);
        socket.ReceiveFrom(new byte[1], ref from);
        return from;
    }
}
