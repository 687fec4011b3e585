using Microsoft.Extensions.Logging;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Xunit;

namespace Orleans.Raft.Embedded.Tests;

/// <summary>A node that joins while the meta group has no majority is there, or it is not; and adding it again goes on
/// from there.</summary>
public sealed class JoiningNodeTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly NodeName[] First = [new("node-1"), new("node-2"), new("node-3")];
    private static readonly NodeName Joining = new("node-4");

    private readonly TemporaryCluster _temporary = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _temporary.DisposeAsync();

    [Fact]
    public async Task One_that_is_not_let_in_is_not_there()
    {
        EmbeddedCluster cluster = await _temporary.StartAsync();
        await cluster.KillAsync(First[0]);
        await cluster.KillAsync(First[1]);
        using var stop = new CancellationTokenSource();
        Task adding = cluster.AddAsync(Joining, stop.Token);
        using var deadline = new CancellationTokenSource(Deadline);
        while (cluster.Find(Joining) is null) await Task.Delay(TimeSpan.FromMilliseconds(10), deadline.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => adding);
        Assert.Null(cluster.Find(Joining));
        Assert.Equal(First, (await cluster.GetStatusAsync()).Nodes.Select(node => node.Node));

        await cluster.StartAsync(First[0]);
        await cluster.StartAsync(First[1]);
        await AddAgainAsync(cluster);
    }

    [Fact]
    public async Task One_that_was_let_in_before_the_controller_fell_silent_is_there()
    {
        EmbeddedCluster? cluster = null;
        using var loggers = new Loggers(line =>
        {
            // At this moment its row is durable, and AddAsync waits for it.
            if (!line.StartsWith("node-4: formed cluster", StringComparison.Ordinal)) return;
            foreach (NodeName node in First) cluster!.Find(node)!.CrashAsync().GetAwaiter().GetResult();
        });
        cluster = await _temporary.StartAsync(options => options with
        {
            LoggerFactory = loggers,
            Client = new KvClientOptions { Timeout = TimeSpan.FromSeconds(1) },
        });
        UnavailableException failure =
            await Assert.ThrowsAsync<UnavailableException>(() => cluster.AddAsync(Joining));
        Assert.StartsWith("node-4 is started, and stays so, but nobody could say", failure.Message);
        Assert.NotNull(cluster.Find(Joining));
        Assert.True(Assert.Single((await cluster.GetStatusAsync()).Nodes, node => node.Node == Joining).IsUp);

        foreach (NodeName node in First)
        {
            await cluster.KillAsync(node);
            await cluster.StartAsync(node);
        }
        await AddAgainAsync(cluster);
    }

    /// <summary>Until the meta group has a leader again.</summary>
    private static async Task AddAgainAsync(EmbeddedCluster cluster)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (true)
        {
            try
            {
                await cluster.AddAsync(Joining, deadline.Token);
                break;
            }
            catch (UnavailableException)
            {
                deadline.Token.ThrowIfCancellationRequested();
            }
        }
        NodeOverview[] nodes = [.. (await cluster.AdministerAsync(new ListNodesRequest())).Nodes];
        Assert.Equal([.. First, Joining], nodes.Select(node => node.Name));
        Assert.Equal([.. First, Joining], (await cluster.GetStatusAsync()).Nodes.Select(node => node.Node));
        await cluster.KillAsync(Joining); // It can be named.
    }

    /// <summary>Hands every line to who looks for one.</summary>
    private sealed class Loggers(Action<string> see) : ILoggerFactory, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => see(formatter(state, exception));

        public void Dispose()
        {
            // There is nothing to let go.
        }
    }
}
