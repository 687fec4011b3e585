using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Embedded.Tests;

/// <summary>An embedded cluster in a temporary directory, which goes when it is disposed.</summary>
internal sealed class TemporaryCluster : IAsyncDisposable
{
    private EmbeddedCluster? _cluster;

    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("embedded-").FullName;

    public EmbeddedCluster Cluster => _cluster ?? throw new InvalidOperationException("The cluster is not started.");

    /// <summary>Starts, or starts again with what the directory holds.</summary>
    public async Task<EmbeddedCluster> StartAsync(Func<EmbeddedOptions, EmbeddedOptions>? change = null)
    {
        await StopAsync();
        // Every test waits for elections: the shortest timeouts that a busy machine keeps.
        var options = new EmbeddedOptions
        {
            DataDirectory = Directory,
            // Files are filled ahead: those of the default size take longer than most tests.
            LogSegmentBytes = 4 << 20,
            Replica = new ReplicaOptions { ElectionTimeout = TimeSpan.FromMilliseconds(150),
                HeartbeatInterval = TimeSpan.FromMilliseconds(50) },
        };
        _cluster = await EmbeddedCluster.StartAsync(change is null ? options : change(options));
        await _cluster.WaitForLeadersAsync();
        return _cluster;
    }

    /// <summary>The same, as the shell's contracts want it.</summary>
    public async Task<ShellHost> StartHostAsync()
    {
        EmbeddedCluster cluster = await StartAsync();
        return new ShellHost(cluster.Client, cluster, cluster, cluster);
    }

    public async Task StopAsync()
    {
        if (_cluster is not null) await _cluster.DisposeAsync();
        _cluster = null;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        System.IO.Directory.Delete(Directory, recursive: true);
    }
}
