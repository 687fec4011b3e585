using Orleans.Raft.Core;
using Orleans.Raft.Testing;
using Xunit;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Client;

/// <summary>Scans page by page over groups, in both directions, against a sorted dictionary.</summary>
public class ScanTests
{
    private static readonly StoreLimits Limits = new() { MaxKeyBytes = 4096, ScanPageBytes = 32 };

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 6).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_scan_gives_what_a_sorted_dictionary_gives_whatever_its_bounds(ulong seed)
    {
        var random = new Random((int)seed);
        var model = new SortedDictionary<byte[], byte[]>(NaiveByteOrder.Instance);
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Seed = seed, Groups = 4, Limits = Limits });
        KvClient client = cluster.CreateClient();
        var bounds = new List<byte[]> { Array.Empty<byte>() };
        foreach (GroupDescriptor group in cluster.Nodes[cluster.Names[0]].Ranges.Groups)
            if (group.Start.Length > 0) bounds.AddRange([group.Start, [.. group.Start, 0], Longest(group.Start, 0xff)]);
        for (int i = 0; i < 60; i++) bounds.Add(RandomKey(random));
        foreach (byte[] key in bounds.Where(k => k.Length > 0 && random.Next(3) > 0).ToArray())
        {
            model[key] = Bytes.Random(random, 20);
            cluster.Run(() => client.PutAsync(key, model[key]));
        }

        for (int i = 0; i < 60; i++)
        {
            byte[] start = bounds[random.Next(bounds.Count)], end = bounds[random.Next(bounds.Count)];
            var options =
                new ScanOptions(Limit: random.Next(3) == 0 ? random.Next(1, 12) : 0, Reverse: random.Next(2) == 0);
            IEnumerable<KeyValuePair<byte[],
                byte[]>> rows = model.Where(row => NaiveByteOrder.Instance.Compare(row.Key, start) >= 0
                && (end.Length == 0 || NaiveByteOrder.Instance.Compare(row.Key, end) < 0));
            if (options.Reverse) rows = rows.Reverse();
            if (options.Limit > 0) rows = rows.Take(options.Limit);
            string[] expected = [.. rows.Select(row => Describe(row.Key, row.Value))];
            Assert.Equal(expected, Scan(cluster, client, start, end, options));
        }
    }

    [Fact]
    public void The_deadline_of_a_scan_bounds_each_wait_for_a_row_and_not_the_whole()
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Groups = 4, Limits = Limits });
        var connection = new WrappedConnection(cluster);
        var client =
            new KvClient(connection, cluster.Time, cluster.Scheduler, new KvClientOptions { Timeout = Seconds(3) }, 1);
        for (int i = 0; i < 6; i++) cluster.Put(client, $"!{i}", new string('v', 20));
        connection.Handle = async (_, inner) =>
        {
            await Task.Delay(Seconds(1.2), cluster.Time);
            return await inner();
        };
        // Six pages, with a caller that takes its time: longer than the deadline, and nobody minds.
        var rows = new List<string>();
        TimeSpan asked = TimeSpan.Zero;
        UnavailableException failure = Assert.Throws<UnavailableException>(() => cluster.Run(async () =>
        {
            await foreach (KeyValueEntry row in client.ScanAsync(default, default))
            {
                rows.Add(Bytes.Text(row.Key.Span));
                await Task.Delay(Seconds(10), cluster.Time);
                asked = cluster.Time.Now;
            }
        }));
        // Then three empty groups, 1.2 s each: too long a wait for the next row.
        Assert.Equal(["!0", "!1", "!2", "!3", "!4", "!5"], rows);
        Assert.InRange(cluster.Time.Now - asked, Seconds(3), Seconds(3.1));
        Assert.Contains("deadline", failure.Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_scan_passes_keys_that_have_no_longer_successor(bool reverse)
    {
        StoreCluster cluster = StoreCluster.Start(new StoreClusterOptions { Groups = 2, Limits = Limits });
        KvClient client = cluster.CreateClient();
        byte[][] keys =
        [
            Longest([1], 0xff), [2], Longest([2], 0), Longest([2], 0xfe), Longest([2], 0xff), [3],
                Longest([0xff], 0xff),
        ];
        foreach (byte[] key in keys) cluster.Run(() => client.PutAsync(key, key.AsMemory(0, 1)));
        string[] expected = [.. keys.Select(key => Describe(key, key.AsSpan(0, 1)))];
        if (reverse) Array.Reverse(expected);
        Assert.Equal(expected, Scan(cluster, client, [], [], new ScanOptions(Reverse: reverse)));
    }

    private static byte[] RandomKey(Random random)
    {
        byte[] start = [(byte)random.Next(0x20, 0x7f), (byte)random.Next(256)];
        return random.Next(4) switch
        {
            0 => Longest(start, 0xff),
            1 => Longest(start, 0),
            2 => [start[0]],
            _ => start,
        };
    }

    private static byte[] Longest(byte[] start, byte filler)
    {
        byte[] key = new byte[Limits.MaxKeyBytes];
        key.AsSpan().Fill(filler);
        start.CopyTo(key, 0);
        return key;
    }

    private static string[] Scan(StoreCluster cluster, KvClient client, byte[] start, byte[] end,
        ScanOptions options) => cluster.Run(async () =>
    {
        var rows = new List<string>();
        await foreach (KeyValueEntry row in client.ScanAsync(start, end, options))
            rows.Add(Describe(row.Key.Span, row.Value.Span));
        return rows.ToArray();
    });

    private static string Describe(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value) =>
        $"{key.Length}:{Convert.ToHexString(key[..Math.Min(3, key.Length)])}.."
        + $"{Convert.ToHexString(key[Math.Max(0, key.Length - 2)..])}={Convert.ToHexString(value)}";
}
