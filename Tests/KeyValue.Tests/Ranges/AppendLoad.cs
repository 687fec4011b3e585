using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Ranges;

/// <summary>Clients that append to keys of their own, read and scan, whatever happens to the groups: no call may fail, and
/// every append is there once and in order.</summary>
internal sealed class AppendLoad
{
    private readonly StoreCluster _cluster;
    private readonly SortedDictionary<string, string> _expected = new(StringComparer.Ordinal);
    private readonly List<Running<bool>> _running = [];
    private bool _stops;

    public AppendLoad(StoreCluster cluster, int clients, int seed)
    {
        _cluster = cluster;
        var patient = new KvClientOptions { Timeout = TimeSpan.FromSeconds(90) };
        for (int i = 0; i < clients; i++)
        {
            KvClient client = cluster.CreateClient(patient);
            var random = new Random((seed * 100) + i);
            int number = i;
            _running.Add(cluster.Begin(() => RunAsync(client, number, random)));
        }
    }

    /// <summary>Calls answered.</summary>
    public int Answered { get; private set; }

    public void Stop()
    {
        _stops = true;
        _cluster.RunUntil(() => _running.TrueForAll(client => client.HasEnded), TimeSpan.FromSeconds(200),
            "the clients ended");
        foreach (Running<bool> client in _running) _ = client.Result;
    }

    /// <summary>Requires that the store holds what the clients wrote, whichever way it is read.</summary>
    public void Check()
    {
        KvClient fresh = _cluster.CreateClient(new KvClientOptions { Timeout = TimeSpan.FromSeconds(60) });
        List<string> expected = [.. _expected.Select(row => $"{row.Key}={row.Value}")];
        RequireEqual(expected, _cluster.Run(() => ScanAsync(fresh, "", reverse: false)));
        expected.Reverse();
        RequireEqual(expected, _cluster.Run(() => ScanAsync(fresh, "", reverse: true)));
    }

    // That of the test framework takes long, and tells more only of what is not equal.
    private static void RequireEqual(List<string> expected, List<string> actual)
    {
        if (!expected.SequenceEqual(actual)) Assert.Equal(expected, actual);
    }

    private async Task RunAsync(KvClient client, int number, Random random)
    {
        var own = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (int n = 0; !_stops; n++)
        {
            string key = $"{(char)('a' + random.Next(26))}/{number}";
            switch (random.Next(6))
            {
                case 0:
                    ReadOnlyMemory<byte>? found = await client.GetAsync(Bytes.Of(key));
                    Assert.Equal(_expected.GetValueOrDefault(key), found is { } value ? Bytes.Text(value.Span) : null);
                    break;
                case 1:
                    bool reverse = random.Next(2) == 0;
                    List<string> rows = await ScanAsync(client, "", reverse);
                    if (reverse) rows.Reverse();
                    RequireEqual([.. own.Select(row => $"{row.Key}={row.Value}")],
                        rows.FindAll(row => row.Contains($"/{number}=", StringComparison.Ordinal)));
                    break;
                default:
                    string token = $"[{n}]";
                    await client.AppendAsync(Bytes.Of(key), Bytes.Of(token));
                    _expected[key] = own[key] = own.GetValueOrDefault(key) + token;
                    break;
            }
            Answered++;
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(20)), _cluster.Time);
        }
    }

    private static async Task<List<string>> ScanAsync(KvClient client, string start, bool reverse)
    {
        var rows = new List<string>();
        await foreach (KeyValueEntry row in client.ScanAsync(Bytes.Of(start), default, new ScanOptions(Reverse: reverse)))
            rows.Add($"{Bytes.Text(row.Key.Span)}={Bytes.Text(row.Value.Span)}");
        return rows;
    }
}
