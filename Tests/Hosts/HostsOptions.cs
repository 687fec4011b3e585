namespace Orleans.Raft.Hosts;

/// <summary>The hosts of a run.</summary>
/// <param name="Hosts">Three or five; each has a replica of every group.</param>
/// <param name="IsIPv6">Silos are reached by their IPv6 addresses, else by their IPv4 ones.</param>
/// <param name="Delay">Of what a host sends; zero: none.</param>
/// <param name="CutDuration">The least; a cut lasts until it is known what it did.</param>
/// <param name="IsVerbose">Silos say more.</param>
/// <param name="Database">What a database on one more host is for.</param>
internal sealed record HostsOptions(int Hosts, bool IsIPv6, TimeSpan Delay, TimeSpan CutDuration, bool IsVerbose,
    DatabaseUse Database = DatabaseUse.None);

/// <summary>What a PostgreSQL server on a host of its own is for.</summary>
internal enum DatabaseUse
{
    /// <summary>There is none: silos find each other by a file, which every host has.</summary>
    None,

    /// <summary>Silos find each other by it; replicas are on their own disks.</summary>
    Clustering,

    /// <summary>It has the replicas, too: silos share slots, one for each silo.</summary>
    Slots,
}
