using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Orleans.Raft.Hosts;

/// <summary>
/// Hosts as network namespaces, each with one link to a bridge, which is in a namespace of its own, so that the
/// machine's own network has no part in it. Each has an IPv4 and an IPv6 address. Names hold the number of this
/// process; a shell that holds on to a pipe from here removes everything, also what runs there, however this process
/// ends.
/// </summary>
internal sealed class HostNetwork : IDisposable
{
    private const string Prefix = "raft";
    private const string Link = "eth0";
    private const string Bridge = "bridge0";

    /// <summary>Ends what runs in the namespaces whose names begin so, then removes them; their links and rules go with
    /// them. Another run may do the same at the same time: what counts is that they are gone.</summary>
    private const string RemoveScript = """
        for name in $(ip netns list | cut -d ' ' -f 1 | grep "^$1"); do
            for process in $(ip netns pids "$name" 2>/dev/null); do kill -9 "$process" 2>/dev/null; done
            failure=$(ip netns delete "$name" 2>&1) && continue
            if ip netns list | cut -d ' ' -f 1 | grep -qx "$name"; then echo "$failure" >&2; exit 1; fi
        done
        """;

    private const string KeeperScript = "trap '' INT TERM HUP; read line; " + RemoveScript;

    private static int s_networks;

    private readonly string _prefix;
    private readonly Process _keeper;
    private readonly IReadOnlyList<DelayedLink> _relays;

    private HostNetwork(string prefix, Process keeper, IReadOnlyList<DelayedLink> relays)
    {
        _prefix = prefix;
        _keeper = keeper;
        _relays = relays;
    }

    /// <summary>Why hosts cannot be laid out on this machine; null if they can.</summary>
    public static string? FindObstacle()
    {
        if (!OperatingSystem.IsLinux()) return "only Linux has network namespaces";
        try
        {
            RemoveLeftovers();
            using HostNetwork network = Create(1, TimeSpan.Zero, _ => { });
            network.Apply(new CutRules(Prefix).Cut(["h1"], ["h2"]));
            return null;
        }
        catch (NetworkException failure)
        {
            return failure.Message;
        }
    }

    /// <param name="hosts">How many, numbered from 1.</param>
    /// <param name="delay">Of what a host sends; zero: none.</param>
    /// <param name="say">Is told how delays are made.</param>
    /// <exception cref="NetworkException">It is not possible here; the message says why.</exception>
    public static HostNetwork Create(int hosts, TimeSpan delay, Action<string> say)
    {
        RemoveLeftovers();
        string prefix = string.Create(CultureInfo.InvariantCulture,
            $"{Prefix}-{Environment.ProcessId}.{Interlocked.Increment(ref s_networks)}-");
        Process keeper = StartKeeper(prefix);
        var relays = new List<DelayedLink>();
        var network = new HostNetwork(prefix, keeper, relays);
        try
        {
            Tool.Run("ip", "", "netns", "add", network.Hub);
            Tool.Run("ip", $"link set lo up\nlink add {Bridge} type bridge\nlink set {Bridge} up\n", "-n", network.Hub,
                "-batch", "-");
            bool hasNetem = delay > TimeSpan.Zero && HasNetem(network.Hub);
            if (delay > TimeSpan.Zero)
                say($"delays: {delay.TotalMilliseconds:0} ms for what a host sends, by "
                    + (hasNetem ? "netem" : "a relay between TAP devices, as this kernel has no netem"));
            for (int host = 1; host <= hosts; host++) relays.AddRange(network.AddHost(host, delay, hasNetem));
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>What a process on a host starts with: goes there, then runs the command that follows.</summary>
    public IReadOnlyList<string> Entrance(int host) => ["ip", "netns", "exec", NameOf(host)];

    /// <summary>Runs work on a host: sockets that it opens are the host's.</summary>
    public T RunOn<T>(int host, Func<T> work) => NetworkSpace.Run(NameOf(host), work);

    /// <summary>A host's port at the bridge, for <see cref="CutRules"/>.</summary>
    public static string PortOf(int host) => $"h{host}";

    public static IPAddress AddressOf(int host, bool isIPv6) =>
        IPAddress.Parse(isIPv6 ? $"fd77::{host}" : $"10.77.0.{host}");

    /// <summary>Puts rules in force, instead of those before.</summary>
    public void Apply(CutRules rules) => Tool.Run("ip", rules.ToString(), "netns", "exec", Hub, "nft", "-f", "-");

    public void Dispose()
    {
        _keeper.StandardInput.Close();
        _keeper.WaitForExit();
        _keeper.Dispose();
        foreach (DelayedLink relay in _relays) relay.Dispose();
    }

    private string Hub => _prefix + "hub";

    private string NameOf(int host) => string.Create(CultureInfo.InvariantCulture, $"{_prefix}{host}");

    private List<DelayedLink> AddHost(int host, TimeSpan delay, bool hasNetem)
    {
        string name = NameOf(host), port = PortOf(host);
        List<DelayedLink> relays = [];
        Tool.Run("ip", "", "netns", "add", name);
        if (delay > TimeSpan.Zero && !hasNetem) relays.Add(DelayedLink.Open(name, Link, Hub, port, delay));
        else Tool.Run("ip", "", "link", "add", port, "netns", Hub, "type", "veth", "peer", "name", Link, "netns", name);
        Tool.Run("ip", $"link set {port} master {Bridge}\nlink set {port} up\n", "-n", Hub, "-batch", "-");
        // Without nodad an IPv6 address cannot be used at once.
        Tool.Run("ip", $"""
            link set lo up
            link set {Link} up
            address add {AddressOf(host, isIPv6: false)}/24 dev {Link}
            address add {AddressOf(host, isIPv6: true)}/64 dev {Link} nodad

            """, "-n", name, "-batch", "-");
        if (hasNetem) AddNetem(name, Link, delay);
        return relays;
    }

    private static bool HasNetem(string hub)
    {
        try
        {
            AddNetem(hub, Bridge, TimeSpan.FromMilliseconds(1));
            Tool.Run("tc", "", "-n", hub, "qdisc", "delete", "dev", Bridge, "root");
            return true;
        }
        catch (NetworkException)
        {
            return false;
        }
    }

    private static void AddNetem(string name, string device, TimeSpan delay) =>
        Tool.Run("tc", "", "-n", name, "qdisc", "add", "dev", device, "root", "netem", "delay",
            string.Create(CultureInfo.InvariantCulture, $"{delay.TotalMilliseconds:0.###}ms"));

    private static Process StartKeeper(string prefix) => Process.Start(
        new ProcessStartInfo("sh", ["-c", KeeperScript, "sh", prefix]) { RedirectStandardInput = true })
        ?? throw new NetworkException("sh cannot be started");

    /// <summary>A keeper that was killed, or a machine that was, leaves namespaces behind, whose names tell whose they
    /// were.</summary>
    private static void RemoveLeftovers()
    {
        var dead = new HashSet<string>();
        foreach (string line in Tool.Run("ip", "", "netns", "list").Split('\n'))
        {
            if (line.Split(' ')[0].Split('-') is [Prefix, var owner, _]
                && int.TryParse(owner.Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out int process)
                && !Directory.Exists($"/proc/{process}")) dead.Add($"{Prefix}-{owner}-");
        }
        foreach (string prefix in dead) Tool.Run("sh", "", "-c", RemoveScript, "sh", prefix);
    }
}
