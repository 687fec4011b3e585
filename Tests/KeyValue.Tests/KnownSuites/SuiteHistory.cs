using Orleans.Raft.Linearizability;
using Orleans.Raft.Testing;
using Xunit;
using Recorded = Orleans.Raft.Linearizability.Operation;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>Makes the calls of all clients and records them. A call that fails fails its client, and so the
/// test.</summary>
internal sealed class SuiteHistory(VirtualTime time)
{
    private const string Group = "g1";

    private readonly History _history = new();

    public Task PutAsync(int client, KvClient store, string key, string value) =>
        WriteAsync(client, Recorded.Put(Group, key, value), store.PutAsync(Bytes.Of(key), Bytes.Of(value)));

    public Task AppendAsync(int client, KvClient store, string key, string suffix) =>
        WriteAsync(client, Recorded.Append(Group, key, suffix), store.AppendAsync(Bytes.Of(key), Bytes.Of(suffix)));

    public Task DeleteAsync(int client, KvClient store, string key) =>
        WriteAsync(client, Recorded.Delete(Group, key), store.DeleteAsync(Bytes.Of(key)));

    public async Task<string?> GetAsync(int client, KvClient store, string key)
    {
        int call = _history.Invoke(client, Recorded.Get(Group, key), time.Now.Ticks);
        string? value = await store.GetAsync(Bytes.Of(key)) is { } bytes ? Bytes.Text(bytes.Span) : null;
        _history.Complete(call, Answer.Found(value), time.Now.Ticks);
        return value;
    }

    /// <summary>All rows of a range that nobody else writes meanwhile: several pages are as good as one.</summary>
    public async Task<List<KeyValuePair<string, string>>> ScanAsync(int client, KvClient store, string start,
        string end)
    {
        int call = _history.Invoke(client, Recorded.Scan(Group, start, end), time.Now.Ticks);
        List<KeyValuePair<string, string>> rows = [];
        await foreach (KeyValueEntry row in store.ScanAsync(Bytes.Of(start), Bytes.Of(end)))
            rows.Add(new(Bytes.Text(row.Key.Span), Bytes.Text(row.Value.Span)));
        _history.Complete(call, Answer.Scanned(rows), time.Now.Ticks);
        return rows;
    }

    public void RequireLinearizable()
    {
        LinearizabilityResult result = LinearizabilityChecker.Check(_history.Entries());
        Assert.True(result.IsLinearizable, result.Explain());
    }

    private async Task WriteAsync(int client, Recorded operation, Task write)
    {
        int call = _history.Invoke(client, operation, time.Now.Ticks);
        await write;
        _history.Complete(call, Answer.Done, time.Now.Ticks);
    }
}
