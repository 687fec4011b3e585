using Orleans.Raft.Testing;

namespace Orleans.Raft.Shell.Tests;

public sealed class FakeShellContractTests : ShellContract
{
    protected override Task<ShellHost> StartHostAsync()
    {
        var cluster = new FakeCluster();
        return Task.FromResult(new ShellHost(cluster, cluster, cluster, cluster));
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}

public sealed class HostWithoutFaultsTests : ShellContract
{
    protected override Task<ShellHost> StartHostAsync()
    {
        var cluster = new FakeCluster();
        return Task.FromResult(new ShellHost(cluster, cluster, Faults: null, Nodes: null));
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}

public sealed class FakeControllerContractTests : ShellControllerContract
{
    protected override Task<ShellHost> StartHostAsync()
    {
        var cluster = new FakeCluster();
        return Task.FromResult(new ShellHost(cluster, cluster, cluster, cluster));
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}

public sealed class FakeMergeContractTests : ShellMergeContract
{
    protected override Task<ShellHost> StartHostAsync()
    {
        var cluster = new FakeCluster();
        return Task.FromResult(new ShellHost(cluster, cluster, cluster, cluster));
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}

public sealed class FakeSplitContractTests : ShellSplitContract
{
    protected override Task<ShellHost> StartHostAsync()
    {
        var cluster = new FakeCluster();
        return Task.FromResult(new ShellHost(cluster, cluster, cluster, cluster));
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}

public sealed class ControllerWithoutNodesContractTests : ShellControllerContract
{
    protected override Task<ShellHost> StartHostAsync()
    {
        var cluster = new FakeCluster();
        return Task.FromResult(new ShellHost(cluster, cluster, Faults: null, Nodes: null));
    }

    protected override Task StopHostAsync() => Task.CompletedTask;
}
