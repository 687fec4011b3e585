using System.Text;
using Orleans.Raft.KeyValue;
using Xunit;

namespace Orleans.Raft.Shell.Tests;

public sealed class WriteWindowTests
{
    private readonly FakeCluster _cluster = new();
    private readonly List<string> _sent = [];
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly WriteWindow _window;

    public WriteWindowTests()
    {
        _window = new WriteWindow(_cluster, CancellationToken.None);
        _cluster.BeforePut = key =>
        {
            _sent.Add(Encoding.UTF8.GetString(key));
            return _gate.Task;
        };
    }

    [Fact]
    public async Task Puts_of_one_key_are_never_in_flight_together()
    {
        await _window.AddAsync(1, Row("k", "1"));
        await _window.AddAsync(2, Row("l", "2"));
        await _window.AddAsync(3, Row("k", "3", ColumnFamily.Lock));
        Task second = _window.AddAsync(4, Row("k", "4")).AsTask();
        Assert.False(second.IsCompleted);
        Assert.Equal(["k", "l", "k"], _sent);

        _gate.SetResult();
        await second;
        await _window.DrainAsync();
        Assert.Equal(4, _window.Acknowledged);
        Assert.Equal("4"u8.ToArray(), (await _cluster.GetAsync("k"u8.ToArray()))!.Value.ToArray());
    }

    [Fact]
    public async Task Nothing_is_sent_behind_a_put_that_was_refused_at_once()
    {
        await _window.AddAsync(1, Row("a", "1"));
        Task refused = _window.AddAsync(2, Row("", "2")).AsTask();
        Assert.False(refused.IsCompleted);

        _gate.SetResult();
        await refused;
        await _window.AddAsync(3, Row("c", "3"));
        Assert.Equal(["a"], _sent);
        Assert.Equal((1, 2), (_window.Acknowledged, _window.Failure!.Value.Number));
        Assert.IsType<KeyValueArgumentException>(_window.Failure.Value.Exception);
    }

    [Fact]
    public async Task Count_and_bytes_in_flight_are_bounded()
    {
        for (int number = 0; number < 1024; number++) await _window.AddAsync(number, Row($"k{number}", ""));
        Task next = _window.AddAsync(1024, Row("next", "")).AsTask();
        Assert.False(next.IsCompleted);
        Assert.Equal(1024, _sent.Count);

        _gate.SetResult();
        await next;
        await _window.DrainAsync();
        Assert.Equal(1025, _window.Acknowledged);
    }

    [Fact]
    public async Task Large_values_wait_for_room()
    {
        string value = new('v', 1 << 20);
        for (int number = 0; number < 15; number++) await _window.AddAsync(number, Row($"k{number}", value));
        Task next = _window.AddAsync(15, Row("next", value)).AsTask();
        Assert.False(next.IsCompleted);
        _gate.SetResult();
        await next;
    }

    private static TransferRow Row(string key, string value, ColumnFamily family = ColumnFamily.Default) =>
        new(family, Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(value));
}
