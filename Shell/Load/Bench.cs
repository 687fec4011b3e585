using System.Runtime.ExceptionServices;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>What the bench command is asked to do.</summary>
/// <param name="Kind"><c>put</c>, <c>get</c> or <c>mixed</c>.</param>
internal sealed record BenchPlan(string Kind, int Clients, TimeSpan Duration, TimeSpan WarmUp, int ValueBytes, int Keys,
    ulong Seed, ColumnFamily Family, Consistency Consistency, bool LoadsKeys);

/// <summary>One run of the bench command.</summary>
internal sealed class Bench(IKeyValueStore store, BenchPlan plan, GroupFinder groups, TimeProvider timeProvider)
{
    private const int ReportEveryKeys = 1024;

    private static readonly TimeSpan s_reportEvery = TimeSpan.FromMilliseconds(200);

    private readonly byte[] _value = CreateValue(plan);
    private readonly LoadKeys _keys = new(plan.Keys, plan.Seed);

    public GroupFinder Groups { get; } = groups;

    /// <summary>Writes every key once, so that reads find them.</summary>
    public async Task LoadKeysAsync(IProgressSink progress, CancellationToken cancellationToken)
    {
        var window = new WriteWindow(store, cancellationToken);
        for (int number = 0; number < plan.Keys && window.Failure is null; number++)
        {
            await window.AddAsync(number, new TransferRow(plan.Family, LoadKeys.Key(number), _value));
            if (number % ReportEveryKeys == 0) progress.Report((double)number / plan.Keys, "writing the keys");
        }
        await window.DrainAsync();
        if (window.Failure is { } failure) ExceptionDispatchInfo.Throw(failure.Exception);
    }

    public async Task<LoadResult> MeasureAsync(IProgressSink progress, CancellationToken cancellationToken)
    {
        long began = timeProvider.GetTimestamp();
        TimeSpan whole = plan.WarmUp + plan.Duration;
        Task<LoadResult> load = RunLoadAsync(cancellationToken);
        while (await Task.WhenAny(load, Task.Delay(s_reportEvery, timeProvider, CancellationToken.None)) != load)
        {
            TimeSpan elapsed = timeProvider.GetElapsedTime(began);
            progress.Report(Math.Min(1, elapsed / whole), elapsed < plan.WarmUp ? "warming up" : "measuring");
        }
        return await load;
    }

    private Task<LoadResult> RunLoadAsync(CancellationToken cancellationToken)
    {
        var options = new LoadOptions
        {
            Clients = plan.Clients,
            Duration = plan.Duration,
            WarmUp = plan.WarmUp,
            Classes = Groups.Count,
            TimeProvider = timeProvider,
        };
        bool onlyPuts = plan.Kind == "put";
        bool mixes = plan.Kind == "mixed";
        var reading = new ReadOptions(plan.Family, plan.Consistency);
        return LoadGenerator.RunAsync(options, async (client, operation) =>
        {
            (int number, bool writes) = _keys.Choose(client, operation);
            byte[] key = LoadKeys.Key(number);
            if (onlyPuts || (mixes && writes)) await store.PutAsync(key, _value, plan.Family, cancellationToken);
            else await store.GetAsync(key, reading, cancellationToken);
            return Groups.IndexOf(key);
        }, cancellationToken);
    }

    private static byte[] CreateValue(BenchPlan plan)
    {
        byte[] value = new byte[plan.ValueBytes];
        new Random((int)(plan.Seed & int.MaxValue)).NextBytes(value);
        return value;
    }
}
