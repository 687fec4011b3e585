namespace Orleans.Raft.Hosts;

/// <summary>The hosts of a run.</summary>
/// <param name="Hosts">Three or five; each has a replica of every group.</param>
/// <param name="IsIPv6">Silos are reached by their IPv6 addresses, else by their IPv4 ones.</param>
/// <param name="Delay">Of what a host sends; zero: none.</param>
/// <param name="CutDuration">The least; a cut lasts until it is known what it did.</param>
/// <param name="IsVerbose">Silos say more.</param>
internal sealed record HostsOptions(int Hosts, bool IsIPv6, TimeSpan Delay, TimeSpan CutDuration, bool IsVerbose);
