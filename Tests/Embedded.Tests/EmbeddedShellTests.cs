using Orleans.Raft.Testing;

namespace Orleans.Raft.Embedded.Tests;

/// <summary>The shell on the embedded host, with real files.</summary>
public sealed class EmbeddedShellTests : ShellContract
{
    private readonly TemporaryCluster _cluster = new();

    protected override Task<ShellHost> StartHostAsync() => _cluster.StartHostAsync();

    protected override async Task StopHostAsync() => await _cluster.DisposeAsync();
}

/// <summary>Its commands for the controller.</summary>
public sealed class EmbeddedControllerTests : ShellControllerContract
{
    private readonly TemporaryCluster _cluster = new();

    protected override Task<ShellHost> StartHostAsync() => _cluster.StartHostAsync();

    protected override async Task StopHostAsync() => await _cluster.DisposeAsync();
}

/// <summary>Its commands that split groups.</summary>
public sealed class EmbeddedSplitTests : ShellSplitContract
{
    private readonly TemporaryCluster _cluster = new();

    protected override Task<ShellHost> StartHostAsync() => _cluster.StartHostAsync();

    protected override async Task StopHostAsync() => await _cluster.DisposeAsync();
}

/// <summary>Its commands that merge groups.</summary>
public sealed class EmbeddedMergeTests : ShellMergeContract
{
    private readonly TemporaryCluster _cluster = new();

    protected override Task<ShellHost> StartHostAsync() => _cluster.StartHostAsync();

    protected override async Task StopHostAsync() => await _cluster.DisposeAsync();
}
