using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Orleans.Raft.Core;

namespace Orleans.Raft.Silo;

/// <summary>
/// What a silo does before it enters its cluster: it makes sure that no other holds its name, and buries silos that died
/// with nobody left to find it out, for whose answers Orleans would let it wait.
/// </summary>
/// <param name="own">Where this silo will listen, and found that nobody else does.</param>
internal sealed class SiloEntrance(IMembershipTable table, NodeName name, IPEndPoint own, TimeProvider time)
{
    /// <summary>How often a silo writes that it lives; see <see cref="Watch"/>.</summary>
    public static readonly TimeSpan AlivePeriod = TimeSpan.FromSeconds(2);

    /// <summary>A silo that does not answer and writes nothing for so long is dead. Clocks are not compared: what counts
    /// is whether its time changes.</summary>
    public static readonly TimeSpan Watch = 3 * AlivePeriod;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(250);

    private readonly HashSet<IPAddress> _machine =
        [.. NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Select(a => a.Address)];

    /// <exception cref="SiloNameTakenException">A silo that lives has the name.</exception>
    public async Task EnterAsync(CancellationToken cancellationToken)
    {
        await table.InitializeMembershipTableAsync(true, cancellationToken);
        List<MembershipEntry> others = await ReadLivingAsync();
        Door[] doors = await Task.WhenAll(others.Select(KnockAsync));
        foreach ((MembershipEntry entry, Door door) in others.Zip(doors))
            if (door == Door.Open) RefuseIfNamed(entry);
        await BuryAsync([.. others.Where((_, i) => doors[i] == Door.Gone).Select(entry => entry.SiloAddress)]);
        await WatchAsync([.. others.Where((_, i) => doors[i] == Door.Silent)], cancellationToken);
    }

    private async Task WatchAsync(List<MembershipEntry> silent, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        while (silent.Count > 0)
        {
            if (time.GetElapsedTime(start) > Watch)
            {
                await BuryAsync([.. silent.Select(entry => entry.SiloAddress)]);
                return;
            }
            await Task.Delay(LookPeriod, time, cancellationToken);
            List<MembershipEntry> now = await ReadLivingAsync();
            foreach (MembershipEntry before in silent.ToArray())
            {
                MembershipEntry? entry = now.Find(e => e.SiloAddress.Equals(before.SiloAddress));
                if (entry is not null && entry.IAmAliveTime == before.IAmAliveTime) continue;
                if (entry is not null) RefuseIfNamed(entry);
                silent.Remove(before);
            }
        }
    }

    private void RefuseIfNamed(MembershipEntry entry)
    {
        if (entry.SiloName == name.Value) throw new SiloNameTakenException(entry);
    }

    private async Task<List<MembershipEntry>> ReadLivingAsync() =>
        [.. (await table.ReadAllAsync()).Members.Select(m => m.Item1).Where(entry => entry.Status != SiloStatus.Dead)];

    /// <summary>A connection that is refused proves on this machine that the silo's process is gone; elsewhere a
    /// firewall may have refused it.</summary>
    private async Task<Door> KnockAsync(MembershipEntry entry)
    {
        IPEndPoint endpoint = entry.SiloAddress.Endpoint;
        if (endpoint.Equals(own)) return Door.Gone;
        using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var deadline = new CancellationTokenSource(ConnectTimeout, time);
        try
        {
            await socket.ConnectAsync(endpoint, deadline.Token);
            return Door.Open;
        }
        catch (SocketException failure)
        {
            bool isHere = IPAddress.IsLoopback(endpoint.Address) || _machine.Contains(endpoint.Address);
            return failure.SocketErrorCode == SocketError.ConnectionRefused && isHere ? Door.Gone : Door.Silent;
        }
        catch (OperationCanceledException)
        {
            return Door.Silent;
        }
    }

    private async Task BuryAsync(HashSet<SiloAddress> gone)
    {
        while (true)
        {
            MembershipTableData data = await table.ReadAllAsync();
            if (data.Members.FirstOrDefault(m => m.Item1.Status != SiloStatus.Dead && gone.Contains(m.Item1.SiloAddress))
                is not (MembershipEntry entry, string etag)) return;
            entry.Status = SiloStatus.Dead;
            // Another one may have been faster; then what it wrote is read.
            await table.UpdateRowAsync(entry, etag, data.Version.Next());
        }
    }

    private enum Door
    {
        Open,
        Gone,
        Silent,
    }
}

/// <summary>A silo that lives has the name already.</summary>
internal sealed class SiloNameTakenException(MembershipEntry holder) : OrleansException(
    $"a silo named {holder.SiloName} runs already, at {holder.SiloAddress.Endpoint} on host {holder.HostName}. Two silos "
    + "cannot have one name: stop that one, or give this one another name.");
