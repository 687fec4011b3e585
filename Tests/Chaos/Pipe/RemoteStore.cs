using System.Globalization;
using System.Runtime.CompilerServices;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Chaos;

/// <summary>One client's store, behind a pipe to a process that may be killed. Calls wait for the process to be up; a
/// call under way when it dies has an unknown outcome.</summary>
/// <param name="upAsync">Completes with the process as soon as it is up.</param>
public sealed class RemoteStore(int client, Func<Task<StoreProcess>> upAsync) : IKeyValueStore
{
    public async Task PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value,
        ColumnFamily family = ColumnFamily.Default, CancellationToken cancellationToken = default) =>
        await WriteAsync(family, "put", PipeText.Word(key), PipeText.Word(value));

    public async Task AppendAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> suffix,
        ColumnFamily family = ColumnFamily.Default, CancellationToken cancellationToken = default) =>
        await WriteAsync(family, "append", PipeText.Word(key), PipeText.Word(suffix));

    public async Task DeleteAsync(ReadOnlyMemory<byte> key, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default) =>
        await WriteAsync(family, "delete", PipeText.Word(key));

    public async Task<CompareAndSetResult> CompareAndSetAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte>? expected,
        ReadOnlyMemory<byte>? replacement, ColumnFamily family = ColumnFamily.Default,
        CancellationToken cancellationToken = default)
    {
        string[] answer = await WriteAsync(family, "cas", PipeText.Word(key), PipeText.Word(expected),
            PipeText.Word(replacement));
        return new CompareAndSetResult(answer[0] == "1", PipeText.Bytes(answer[1]));
    }

    public Task BatchAsync(IReadOnlyList<WriteOperation> operations, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Batches do not go through the pipe.");

    public async Task<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, ReadOptions options = default,
        CancellationToken cancellationToken = default)
    {
        if (options.Family != default)
            throw new NotSupportedException("Only the default family goes through the pipe.");
        return PipeText.Bytes((await ReadAsync("get", PipeText.Word(key), $"{options.Consistency}"))[0]);
    }

    public async IAsyncEnumerable<KeyValueEntry> ScanAsync(ReadOnlyMemory<byte> start, ReadOnlyMemory<byte> end,
        ScanOptions options = default, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        if (options.Family != default || options.Consistency != default)
            throw new NotSupportedException("Only linearizable scans go through the pipe.");
        string[] answer = await ReadAsync("scan", PipeText.Word(start), PipeText.Word(end),
            options.Limit.ToString(CultureInfo.InvariantCulture), options.Reverse ? "1" : "0");
        for (int i = 0; i + 1 < answer.Length; i += 2)
            yield return new KeyValueEntry(PipeText.Bytes(answer[i])!.Value, PipeText.Bytes(answer[i + 1])!.Value);
    }

    private async Task<string[]> WriteAsync(ColumnFamily family, string verb, params string[] words)
    {
        if (family != default) throw new NotSupportedException("Only the default family goes through the pipe.");
        StoreProcess process = await upAsync();
        try
        {
            return await process.CallAsync(client, verb, words);
        }
        catch (ChildGoneException gone)
        {
            throw new OutcomeUnknownException(gone.Message, gone);
        }
    }

    private async Task<string[]> ReadAsync(string verb, params string[] words)
    {
        StoreProcess process = await upAsync();
        try
        {
            return await process.CallAsync(client, verb, words);
        }
        catch (ChildGoneException gone)
        {
            throw new UnavailableException(gone.Message);
        }
    }
}
