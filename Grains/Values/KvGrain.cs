using System.Runtime.CompilerServices;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Raft.Core;
using Orleans.Raft.Grains.Interfaces;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Grains;

/// <summary>
/// What clients call, on the silo they entered by. Batches go through the silo's joiner; applications' calls through
/// the silo's own client, hence under its sessions.
/// </summary>
[StatelessWorker, Reentrant, GrainDirectory(NoDirectory.Name)]
internal sealed class KvGrain(SiloNodes nodes, NodePlaces places, SiloStore store) : Grain, IKvGrain
{
    private const int MaxPageRows = 10_000;
    private const int MaxPageBytes = 1 << 20;
    private const string Answered = nameof(GroupReplyStatus.Answered);

    public async Task<GroupReplyMessage> Execute(uint group, byte kind, byte[] batch)
    {
        RequestMeasurement measured = RequestMetrics.Begin();
        GroupReply reply =
            await store.Joiner.ExecuteAsync(new GroupId(group), new GroupRequest((RequestKind)kind, batch));
        measured.End(reply.Status.ToString());
        return StoreMessages.ToMessage(reply, nodes.SiloName,
            reply.LeaderHint is { } leader ? places.SiloOf(leader) : null);
    }

    public Task Put(byte[] key, byte[] value, KvFamily family) =>
        GuardAsync(() => store.Client.PutAsync(key, value, (ColumnFamily)family));

    public Task<byte[]?> Get(byte[] key, KvFamily family, KvConsistency consistency) => GuardAsync(async () =>
        await store.Client.GetAsync(key, new ReadOptions((ColumnFamily)family, (Consistency)consistency)) is { } value
            ? Payload.Of(value)
            : null);

    public Task Delete(byte[] key, KvFamily family) =>
        GuardAsync(() => store.Client.DeleteAsync(key, (ColumnFamily)family));

    public Task Append(byte[] key, byte[] suffix, KvFamily family) =>
        GuardAsync(() => store.Client.AppendAsync(key, suffix, (ColumnFamily)family));

    public Task<KvCompareAndSetResult> CompareAndSet(byte[] key, byte[]? expected, byte[]? replacement,
        KvFamily family) => GuardAsync(async () =>
    {
        CompareAndSetResult result =
            await store.Client.CompareAndSetAsync(key, Optional(expected), Optional(replacement), (ColumnFamily)family);
        return new KvCompareAndSetResult(result.Applied, result.Current is { } current ? Payload.Of(current) : null);
    });

    public Task Batch(KvWrite[] writes) => GuardAsync(() => store.Client.BatchAsync(
        [.. writes.Select(w => new WriteOperation(w.Key, Optional(w.Value), (ColumnFamily)w.Family))]));

    public Task<KvPage> Scan(KvScan scan) => GuardAsync(async () =>
    {
        if (scan.PageRows is < 1 or > MaxPageRows)
            throw new KeyValueArgumentException("BadArgument",
                $"PageRows is {scan.PageRows}; it must be 1 to {MaxPageRows}.");
        var rows = new List<KvRow>();
        int bytes = 0;
        // One row more than a page says whether there is a page after it.
        var options =
            new ScanOptions((ColumnFamily)scan.Family, (Consistency)scan.Consistency, scan.PageRows + 1, scan.Reverse);
        await foreach (KeyValueEntry row in store.Client.ScanAsync(scan.Start, scan.End, options))
        {
            int size = row.Key.Length + row.Value.Length;
            if (rows.Count == scan.PageRows || (rows.Count > 0 && bytes + size > MaxPageBytes))
                return new KvPage([.. rows], scan.Reverse
                    ? scan with { End = rows[^1].Key }
                    : scan with { Start = Payload.Of(row.Key) });
            rows.Add(new KvRow(Payload.Of(row.Key), Payload.Of(row.Value)));
            bytes += size;
        }
        return new KvPage([.. rows], null);
    });

    /// <summary>Null stays null; the conversion of a null array would make it an empty value.</summary>
    private static ReadOnlyMemory<byte>? Optional(byte[]? bytes) => bytes is null
        ? default(ReadOnlyMemory<byte>?)
        : new ReadOnlyMemory<byte>(bytes);

    /// <summary>Turns the store's exceptions into the one that every Orleans client can read.</summary>
    private static async Task GuardAsync(Func<Task> call, [CallerMemberName] string operation = "")
    {
        RequestMeasurement measured = RequestMetrics.Begin(operation);
        try
        {
            await call();
            measured.End(Answered);
        }
        catch (KeyValueException failure)
        {
            measured.End(failure.Code);
            throw new KvGrainException(failure.Code, failure.Message);
        }
    }

    private static async Task<T> GuardAsync<T>(Func<Task<T>> call, [CallerMemberName] string operation = "")
    {
        RequestMeasurement measured = RequestMetrics.Begin(operation);
        try
        {
            T result = await call();
            measured.End(Answered);
            return result;
        }
        catch (KeyValueException failure)
        {
            measured.End(failure.Code);
            throw new KvGrainException(failure.Code, failure.Message);
        }
    }
}
