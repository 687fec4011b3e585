using System.Text;
using Orleans.Raft.Testing;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.KnownSuites;

/// <summary>A client of a <see cref="SuiteRun"/>: knows what it has written, and so what it must read. Every call must
/// succeed in the end.</summary>
internal abstract class SuiteClient(int number, KvClient store, Random random, SuiteHistory history)
{
    public int Writes { get; protected set; }

    public int Reads { get; protected set; }

    protected int Number { get; } = number;

    protected KvClient Store { get; } = store;

    protected Random Random { get; } = random;

    protected SuiteHistory History { get; } = history;

    public static SuiteClient Create(SuiteWorkload workload, int number, int clients, KvClient store, Random random,
        SuiteHistory history) => workload switch
        {
            SuiteWorkload.Appends => new AppendClient(number, store, random, history),
            SuiteWorkload.Rows => new RowClient(number, store, random, history),
            _ => new RandomKeyClient(number, clients, store, random, history),
        };

    /// <summary>Works until it is told to stop, and ends the call under way then.</summary>
    public async Task<bool> RunAsync(VirtualTime time, TimeSpan longestPause, Func<bool> stop)
    {
        await BeginAsync();
        while (!stop())
        {
            if (Random.Next(2) == 0) await WriteAsync();
            else await ReadAsync();
            await Task.Delay(longestPause * Random.NextDouble(), time);
        }
        return true;
    }

    /// <summary>Compares all it has written in this round with what is there.</summary>
    public abstract Task EndAsync();

    protected virtual Task BeginAsync() => Task.CompletedTask;

    protected abstract Task WriteAsync();

    protected abstract Task ReadAsync();

    /// <summary>Appends tokens to a key of its own.</summary>
    private sealed class AppendClient(int number, KvClient store, Random random, SuiteHistory history)
        : SuiteClient(number, store, random, history)
    {
        private readonly StringBuilder _all = new();
        private int _next;

        private string Key => $"own {Number}";

        public override Task EndAsync() => ReadAsync();

        protected override async Task BeginAsync()
        {
            _all.Clear();
            await History.PutAsync(Number, Store, Key, "");
            Writes++;
        }

        protected override async Task WriteAsync()
        {
            string token = $"x {Number} {_next++} y";
            await History.AppendAsync(Number, Store, Key, token);
            _all.Append(token);
            Writes++;
        }

        // Equal texts: every token is there, once, in the order of its appends.
        protected override async Task ReadAsync()
        {
            Assert.Equal(_all.ToString(), await History.GetAsync(Number, Store, Key));
            Reads++;
        }
    }

    /// <summary>Puts rows of its own, one after the other, and removes them at the end of a round.</summary>
    private sealed class RowClient(int number, KvClient store, Random random, SuiteHistory history)
        : SuiteClient(number, store, random, history)
    {
        private readonly List<string> _values = [];
        private int _next;

        public override async Task EndAsync()
        {
            await ReadAsync();
            for (int i = 0; i < _values.Count; i++) await History.DeleteAsync(Number, Store, Key(i));
            Writes += _values.Count;
            _values.Clear();
            await ReadAsync();
        }

        protected override async Task WriteAsync()
        {
            string value = $"x {Number} {_next++} y";
            await History.PutAsync(Number, Store, Key(_values.Count), value);
            _values.Add(value);
            Writes++;
        }

        protected override async Task ReadAsync()
        {
            Assert.Equal(_values.Select((value, i) => KeyValuePair.Create(Key(i), value)),
                await History.ScanAsync(Number, Store, Key(0), Key(_values.Count)));
            Reads++;
        }

        private string Key(int row) => $"{Number:d8}{row:d8}";
    }

    /// <summary>Appends to and puts keys that all clients share.</summary>
    private sealed class RandomKeyClient(int number, int keys, KvClient store, Random random, SuiteHistory history)
        : SuiteClient(number, store, random, history)
    {
        private int _next;

        private string Key => $"any {Random.Next(keys)}";

        public override Task EndAsync() => ReadAsync();

        protected override async Task WriteAsync()
        {
            string token = $"x {Number} {_next++} y";
            if (Random.Next(10) == 0) await History.PutAsync(Number, Store, Key, token);
            else await History.AppendAsync(Number, Store, Key, token);
            Writes++;
        }

        protected override async Task ReadAsync()
        {
            await History.GetAsync(Number, Store, Key);
            Reads++;
        }
    }
}
