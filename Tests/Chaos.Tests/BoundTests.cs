using System.Diagnostics;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos.Tests;

/// <summary>A run comes to its end whatever the store does, and says what it waited for.</summary>
public sealed class BoundTests : IDisposable
{
    /// <summary>A run that is not over by then never is.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>For what never comes, however long it is waited for.</summary>
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(100);

    private readonly string _directory = Directory.CreateTempSubdirectory("bounds-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_store_that_does_not_come_back_ends_the_run()
    {
        var host = new FakeHost();
        host.Faults["kill"] = Dies;
        ChaosResult result = await RunAsync(host, Options("kill") with { EndLimit = Short });
        Assert.Contains("kill: it does not come back", result.Failures);
        Assert.Contains("clients' last calls do not end after 0 s", result.Failures);

        Task Dies(Random random, Action<string> say, CancellationToken cancellation)
        {
            host.GoDown();
            throw new TimeoutException("it does not come back");
        }
    }

    [Fact]
    public async Task What_failed_before_an_interruption_is_told_and_kept()
    {
        using var interrupt = new CancellationTokenSource();
        var host = new FakeHost();
        host.Faults["kill"] = Dies;
        var said = new List<string>();
        var command = new ChaosCommand("fake", TimeSpan.Zero, Seed: 1, Clients: 8, Rate: 1_000_000, Faults: null,
            Data: null) { Open = (_, _) => host };
        Assert.False(await command.RunAsync(Hear, interrupt.Token).WaitAsync(Deadline));
        Assert.Contains("kill: it does not come back", command.Result!.Failures);
        const string Kept = "data, logs and pictures are kept in ";
        string kept = said.Single(line => line.StartsWith(Kept, StringComparison.Ordinal))[Kept.Length..];
        Directory.Delete(kept, recursive: true);

        Task Dies(Random random, Action<string> say, CancellationToken cancellation)
        {
            host.GoDown();
            throw new TimeoutException("it does not come back");
        }

        void Hear(string line)
        {
            lock (said) said.Add(line);
            if (line.Contains("FAILED", StringComparison.Ordinal)) interrupt.Cancel();
        }
    }

    [Fact]
    public async Task An_interrupted_run_that_found_nothing_has_no_verdict_and_leaves_nothing()
    {
        using var interrupt = new CancellationTokenSource();
        string directory = "";
        var command = new ChaosCommand("fake", TimeSpan.FromHours(1), Seed: 1, Clients: 8, Rate: 1_000_000,
            Faults: null, Data: null)
        {
            Open = (given, _) =>
            {
                directory = given;
                return new FakeHost();
            },
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => command.RunAsync(Hear, interrupt.Token)
            .WaitAsync(Deadline));
        Assert.False(Directory.Exists(directory));

        void Hear(string line)
        {
            if (line.Contains("started", StringComparison.Ordinal)) interrupt.Cancel();
        }
    }

    [Fact]
    public async Task A_store_that_does_not_answer_ends_the_run_at_its_limit()
    {
        var host = new FakeHost();
        host.GoDown();
        ChaosResult result = await RunAsync(host, Options() with { Limit = Short });
        Assert.Contains("the run is not over after 0 s; it waited for a whole history",
            result.Failures);
    }

    [Fact]
    public async Task A_fault_that_does_not_end_is_named()
    {
        var host = new FakeHost
        {
            Faults = { ["full"] = (_, _, cancellation) => Task.Delay(Timeout.Infinite, cancellation) },
        };
        ChaosResult result = await RunAsync(host, Options("full") with { FaultLimit = Short });
        Assert.Equal("full: not over after 0 s", Assert.Single(result.Failures));
    }

    [Fact]
    public async Task A_fault_that_cannot_be_broken_off_does_not_hold_up_the_end()
    {
        using var interrupt = new CancellationTokenSource();
        var host = new FakeHost
        {
            Faults =
            {
                ["full"] = async (_, _, _) =>
                {
                    await interrupt.CancelAsync();
                    await new TaskCompletionSource().Task;
                },
            },
        };
        ChaosResult result = await RunAsync(host, Options("full") with { EndLimit = Short }, interrupt.Token);
        Assert.Contains("told to stop, and still waiting for fault full to end after 0 s", result.Failures);
    }

    [Fact]
    public async Task A_status_that_is_never_answered_counts_as_still_wrong()
    {
        var host = new FakeHost
        {
            Faults = { ["kill"] = (_, _, _) => Task.CompletedTask },
            Problems = () => new TaskCompletionSource<IReadOnlyList<string>>().Task,
        };
        ChaosResult result = await RunAsync(host, Options("kill") with { HealLimit = Short });
        Assert.Contains("after the fault ended: nobody says how the nodes are", Assert.Single(result.Failures),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_status_that_is_refused_for_a_time_is_asked_for_again()
    {
        int asked = 0;
        var host = new FakeHost
        {
            Faults = { ["kill"] = (_, _, _) => Task.CompletedTask },
            Problems = () => ++asked == 1
                ? throw new UnavailableException("nobody leads")
                : Task.FromResult<IReadOnlyList<string>>([]),
        };
        ChaosResult result = await RunAsync(host, Options("kill"));
        Assert.Empty(result.Failures);
        Assert.True(asked > 1);
    }

    /// <summary>Otherwise the host is disposed of under a fault that starts a process.</summary>
    [Fact]
    public async Task An_interrupted_run_waits_until_its_fault_has_ended()
    {
        using var interrupt = new CancellationTokenSource();
        bool? disposedInside = null;
        var host = new FakeHost();
        host.Faults["kill"] = async (_, _, _) =>
        {
            await interrupt.CancelAsync();
            // Long enough for a run that does not wait to be gone.
            for (int i = 0; i < 100_000 && !host.IsDisposed; i++) await Task.Yield();
            disposedInside = host.IsDisposed;
        };
        var command = new ChaosCommand("fake", TimeSpan.Zero, Seed: 1, Clients: 8, Rate: 1_000_000, Faults: null,
            Data: null) { Open = (_, _) => host };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => command.RunAsync(_ => { }, interrupt.Token)
            .WaitAsync(Deadline));
        Assert.False(disposedInside);
    }

    [Fact]
    public async Task What_a_client_fails_with_is_a_finding()
    {
        int failed = 0;
        var host = new FakeHost
        {
            Hides = (key, _) => key[1] == 'h' && Interlocked.Increment(ref failed) == 30
                ? throw new ChaosException("no answer")
                : false,
        };
        ChaosResult result = await RunAsync(host, Options());
        Assert.Contains("no answer", result.Failures);
        Assert.True(result.Histories > 0);
    }

    [Fact]
    public async Task Calls_that_wait_for_a_process_that_does_not_come_up_are_refused()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var link = new StoreLink(clients: 1);
        IKeyValueStore store = link.StoreOf(0);
        await link.StartAsync(() => StartShellAsync("echo ready; while read line; do :; done"));
        var killed = new TaskCompletionSource();
        Task restart = link.RestartAsync(TimeSpan.Zero, async () =>
        {
            await killed.Task;
            return await StartShellAsync("exit 3");
        }, CancellationToken.None);
        Task put = store.PutAsync("k"u8.ToArray(), "v"u8.ToArray());
        Assert.False(put.IsCompleted);
        killed.SetResult();
        string said = (await Assert.ThrowsAsync<InvalidOperationException>(() => restart.WaitAsync(Deadline))).Message;
        string refused = (await Assert.ThrowsAsync<UnavailableException>(() => put.WaitAsync(Deadline))).Message;
        Assert.Equal($"The store's process did not come up: {said}", refused);
        await Assert.ThrowsAsync<UnavailableException>(() => store.GetAsync("k"u8.ToArray()).WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_call_under_way_ends_when_it_is_cut_off()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var link = new StoreLink(clients: 1);
        await link.StartAsync(() => StartShellAsync("echo ready; while read line; do :; done"));
        Task put = link.StoreOf(0).PutAsync("k"u8.ToArray(), "v"u8.ToArray());
        link.CutOff("the run is over");
        await Assert.ThrowsAsync<OutcomeUnknownException>(() => put.WaitAsync(Deadline));
        await Assert.ThrowsAsync<UnavailableException>(() => link.StoreOf(0).GetAsync("k"u8.ToArray())
            .WaitAsync(Deadline));
    }

    [Theory]
    [InlineData("while read line; do :; done", 10)] // Takes requests and answers none.
    [InlineData("exec tail -f /dev/null", 1 << 20)] // Takes none; more than the pipe holds.
    public async Task A_call_that_is_not_answered_ends_and_names_what_was_asked(string script, int bytes)
    {
        if (!OperatingSystem.IsLinux()) return;
        using StoreProcess process = await StartShellAsync($"echo ready; {script}", Short);
        string said = (await Assert.ThrowsAsync<ChaosException>(() =>
            process.CallAsync(7, "put", new string('x', bytes)).WaitAsync(Deadline))).Message;
        Assert.Equal("The store's process did not answer put of client 7 within 0 s", said);
    }

    [Fact]
    public async Task A_reply_that_nobody_understands_ends_all_calls()
    {
        if (!OperatingSystem.IsLinux()) return;
        const string Script = "echo ready; read line; echo nonsense .; read line";
        using StoreProcess process = await StartShellAsync(Script);
        await Assert.ThrowsAsync<ChildGoneException>(() => process.CallAsync(0, "status").WaitAsync(Deadline));
    }

    private static ChaosOptions Options(params string[] kinds) =>
        new(TimeSpan.Zero, Seed: 1, Clients: 8, OperationsPerSecond: 1_000_000, kinds);

    private Task<ChaosResult> RunAsync(FakeHost host, ChaosOptions options, CancellationToken interrupt = default) =>
        new ChaosRun(host, options, _directory, _ => { }).RunAsync(interrupt)
            .WaitAsync(Deadline, CancellationToken.None);

    private Task<StoreProcess> StartShellAsync(string script, TimeSpan? callLimit = null) => StoreProcess.StartAsync(
        new ProcessStartInfo("sh", ["-c", script]), Path.Combine(_directory, "shell.log"), CancellationToken.None,
        callLimit);
}
