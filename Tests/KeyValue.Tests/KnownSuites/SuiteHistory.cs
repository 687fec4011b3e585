using System.Text;
using Orleans.Raft.Testing;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

internal sealed record SuiteCall(int Client, string Kind, string Key, string? Argument, string? Result,
    TimeSpan Began, TimeSpan Ended);

/// <summary>Makes the calls of all clients and remembers when each began and ended, and what it gave.</summary>
internal sealed class SuiteHistory(VirtualTime time)
{
    private readonly List<SuiteCall> _calls = [];

    public int Calls => _calls.Count;

    public async Task PutAsync(int client, KvClient store, string key, string value)
    {
        TimeSpan began = time.Now;
        await store.PutAsync(Encode(key), Encode(value));
        _calls.Add(new SuiteCall(client, "put", key, value, null, began, time.Now));
    }

    public async Task AppendAsync(int client, KvClient store, string key, string suffix)
    {
        TimeSpan began = time.Now;
        await store.AppendAsync(Encode(key), Encode(suffix));
        _calls.Add(new SuiteCall(client, "append", key, suffix, null, began, time.Now));
    }

    public async Task DeleteAsync(int client, KvClient store, string key)
    {
        TimeSpan began = time.Now;
        await store.DeleteAsync(Encode(key));
        _calls.Add(new SuiteCall(client, "delete", key, null, null, began, time.Now));
    }

    public async Task<string?> GetAsync(int client, KvClient store, string key)
    {
        TimeSpan began = time.Now;
        string? value = await store.GetAsync(Encode(key)) is { } bytes ? Encoding.UTF8.GetString(bytes.Span) : null;
        _calls.Add(new SuiteCall(client, "get", key, null, value, began, time.Now));
        return value;
    }

    public static async Task<List<(string Key, string Value)>> ScanAsync(KvClient store, string start, string end)
    {
        List<(string, string)> rows = [];
        await foreach (KeyValueEntry row in store.ScanAsync(Encode(start), Encode(end)))
            rows.Add((Encoding.UTF8.GetString(row.Key.Span), Encoding.UTF8.GetString(row.Value.Span)));
        return rows;
    }

    private static byte[] Encode(string text) => Encoding.UTF8.GetBytes(text);
}
