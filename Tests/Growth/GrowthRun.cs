using System.Diagnostics;
using System.Globalization;
using System.Text;
using Orleans.Raft.Chaos;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Linearizability;
using Orleans.Raft.Shell;

namespace Orleans.Raft.Growth;

/// <summary>Grows a cluster while clients use it, and judges what they were told.</summary>
/// <param name="directory">Takes pictures of what is wrong.</param>
public sealed class GrowthRun(IGrowthHost host, GrowthPlan plan, string directory, Action<string> print)
{
    private const int FirstNodes = 3;
    private const int AddedNodes = 2;
    private const int Writers = 2;
    private const int LoadingClients = 32;

    /// <summary>Of all operations, by those who write what nobody writes again.</summary>
    private const double UniqueShare = 0.125;

    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly PhaseTimes _times = new();
    private readonly List<string> _problems = [];

    /// <summary>How many clients a host must have: those with histories, then those that write.</summary>
    public static int AllClients(GrowthPlan plan) => plan.Clients + Writers;

    /// <summary>Whether all is well.</summary>
    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await host.StartAsync(Say, cancellation);
        await LoadRowsAsync(cancellation);
        IKeyValueStore[] stores = [.. Enumerable.Range(0, plan.Clients).Select(host.StoreOf)];
        var load = new GrowthLoad(stores, plan.OperationsPerSecond * (1 - UniqueShare), plan.Seed, _times);
        var tally = new Tally();
        var pace = new Pace(plan.OperationsPerSecond * UniqueShare);
        UniqueWriter[] writers = [.. Enumerable.Range(plan.Clients, Writers)
            .Select(client => new UniqueWriter(host.StoreOf(client), client, pace, tally))];
        Begin("at rest", moves: false);
        using var stop = new CancellationTokenSource();
        Task running = Task.WhenAll([load.RunAsync(stop.Token), .. writers.Select(w => w.RunAsync(stop.Token))]);
        try
        {
            await Task.Delay(plan.Rest, cancellation);
            await GrowAsync(cancellation);
            Begin("at rest again", moves: false);
            await Task.Delay(plan.Rest, cancellation);
        }
        finally
        {
            await stop.CancelAsync();
            await running;
        }
        await JudgeAsync(load, tally, writers);
        print(_problems.Count == 0 ? "verdict: ok" : "verdict: FAILED");
        return _problems.Count == 0;
    }

    private async Task GrowAsync(CancellationToken cancellation)
    {
        await ShellAsync(cancellation, "groups");
        int groups = (await host.Administration.GetStatusAsync(cancellation)).Groups.Count;
        if (groups < plan.Groups)
        {
            Begin($"{groups} groups become {plan.Groups}", moves: true);
            await ShellAsync(cancellation, "groups", "add",
                (plan.Groups - groups).ToString(CultureInfo.InvariantCulture));
        }
        Begin($"{AddedNodes} nodes come, and leaders and bytes even out", moves: true);
        for (int number = FirstNodes + 1; number <= FirstNodes + AddedNodes; number++)
        {
            if (host.Nodes is null) await host.AddNodeAsync(Say, cancellation);
            else await ShellAsync(cancellation, "node", "add", $"node-{number}");
        }
        await EvenOutAsync(FirstNodes + AddedNodes, cancellation);
        await ShellAsync(cancellation, "nodes");

        string first = (await NodesAsync(cancellation))[0].Name.Value;
        Begin($"{first} is drained", moves: true);
        await ShellAsync(cancellation, "node", "drain", first);
        if ((await NodesAsync(cancellation)).FirstOrDefault(node => node.Name.Value == first) is { Replicas: > 0 } left)
            Fail($"{first} still has {left.Replicas} replicas");
        await EvenOutAsync(FirstNodes + AddedNodes - 1, cancellation);
        await ShellAsync(cancellation, "nodes");
        await MergeAsync(cancellation);
        await ShellAsync(cancellation, "groups");
        await ShellAsync(cancellation, "balance", "status");
    }

    private async Task MergeAsync(CancellationToken cancellation)
    {
        IReadOnlyList<GroupOverview> before = await GroupsAsync(cancellation);
        (GroupId left, GroupId right) = GrowthRules.FindSmallestNeighbours(before);
        Begin($"{left} and {right} become one", moves: true);
        await ShellAsync(cancellation, "merge", left.ToString());
        int now = (await GroupsAsync(cancellation)).Count;
        if (now != before.Count - 1) Fail($"{before.Count} groups became {now}, not {before.Count - 1}");
    }

    /// <summary>Runs a command of the shell and shows both.</summary>
    private async Task ShellAsync(CancellationToken cancellation, params string[] words)
    {
        Say($"> {string.Join(' ', words)}");
        var session = new ShellSession(host.StoreOf(0), host.Administration, faults: null, host.Nodes,
            new ShellOptions());
        int code = await session.ExecuteAsync(words, cancellationToken: cancellation);
        cancellation.ThrowIfCancellationRequested();
        if (code != 0) Fail($"'{string.Join(' ', words)}' failed; see above");
    }

    private async Task EvenOutAsync(int expected, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        while (GrowthRules.FindUnevenness(await NodesAsync(cancellation), expected) is { } unevenness)
        {
            if (Stopwatch.GetElapsedTime(began) > plan.EvenOut)
            {
                Fail($"after {plan.EvenOut.TotalSeconds:F0} s {unevenness}");
                return;
            }
            await Task.Delay(PollInterval, cancellation);
        }
        Say($"even after {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s");
    }

    private async Task<IReadOnlyList<NodeOverview>> NodesAsync(CancellationToken cancellation) =>
        (await host.Administration.AdministerAsync(new ListNodesRequest(), cancellation)).Nodes;

    private async Task<IReadOnlyList<GroupOverview>> GroupsAsync(CancellationToken cancellation) =>
        (await host.Administration.AdministerAsync(new ListGroupsRequest(), cancellation)).Groups;

    private async Task LoadRowsAsync(CancellationToken cancellation)
    {
        const char Least = '!', Most = '~';
        byte[] value = new byte[plan.ValueBytes];
        new Random(plan.Seed).NextBytes(value);
        int next = -1;
        await Task.WhenAll(Enumerable.Range(0, LoadingClients).Select(async client =>
        {
            IKeyValueStore store = host.StoreOf(client % AllClients(plan));
            for (int row; (row = Interlocked.Increment(ref next)) < plan.Rows;)
            {
                // Evenly over all that can be printed, so that the groups are alike.
                int place = (int)((long)row * (Most - Least + 1) * 100 / plan.Rows);
                string key = string.Create(CultureInfo.InvariantCulture,
                    $"{(char)(Least + (place / 100))}{(char)(Least + (place % 100 * (Most - Least + 1) / 100))}b{row}");
                await store.PutAsync(Encoding.UTF8.GetBytes(key), value, cancellationToken: cancellation);
            }
        }));
        Say($"{plan.Rows} rows of {plan.ValueBytes} bytes are there, over all groups");
    }

    private async Task JudgeAsync(GrowthLoad load, Tally tally, UniqueWriter[] writers)
    {
        foreach (string line in _times.Describe()) print(line);
        var rest = _times.Of(moves: false);
        var moving = _times.Of(moves: true);
        double restP99 = rest.QuantileMilliseconds(0.99), movingP99 = moving.QuantileMilliseconds(0.99);
        print(FormattableString.Invariant($"p99 at rest {restP99:0.0} ms, while things moved {movingP99:0.0} ms: ")
            + FormattableString.Invariant($"{movingP99 / restP99:0.0} times"));
        if (GrowthRules.FindSlowness(restP99, movingP99, rest.Count, moving.Count) is { } slowness) Fail(slowness);

        long failed = load.Failed + tally.Refused + tally.Unknown;
        print($"requests {load.Answered + tally.Acknowledged + failed}, failed {failed}");
        foreach (string failure in load.Failures) Fail(failure);
        if (tally.Refused + tally.Unknown > 0)
            Fail($"of the writers' requests {tally.Refused} were refused and {tally.Unknown} have an unknown outcome");

        int number = 0;
        foreach (History history in load.Histories) Check(++number, history.Entries());
        print($"{load.Histories.Count} histories checked for linearizability");
        foreach (UniqueWriter writer in writers)
            foreach (string loss in await writer.FindLossesAsync(host.StoreOf(0))) Fail(loss);
        print($"{writers.Sum(writer => writer.Acknowledged)} writes that nobody repeated are there once each");
    }

    private void Check(int number, IReadOnlyList<HistoryEntry> entries)
    {
        LinearizabilityResult result = LinearizabilityChecker.Check(entries);
        if (result.IsLinearizable) return;
        string file = Path.Combine(directory, $"history-{number}.html");
        File.WriteAllText(file, ViolationPicture.Draw(entries, result));
        Fail($"history {number} is not linearizable: {result.Explain()}Picture: {file}");
    }

    private void Begin(string phase, bool moves)
    {
        _times.Begin(phase, moves);
        Say(phase);
    }

    private void Fail(string problem)
    {
        _problems.Add(problem);
        Say($"FAILED: {problem}");
    }

    private void Say(string line) =>
        print(FormattableString.Invariant($"{Stopwatch.GetElapsedTime(_start).TotalSeconds,6:F1} s  {line}"));
}
