using Orleans.Raft.Testing;

namespace Orleans.Raft.Shell.Tests;

public sealed class FakeShellContractTests : ShellContract
{
    protected override Task<ShellHost> StartHostAsync()
    {
        var cluster = new FakeCluster();
        return Task.FromResult(new ShellHost(cluster, cluster, cluster));
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}

public sealed class HostWithoutFaultsTests : ShellContract
{
    protected override Task<ShellHost> StartHostAsync()
    {
        var cluster = new FakeCluster();
        return Task.FromResult(new ShellHost(cluster, cluster, null));
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}
