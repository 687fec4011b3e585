using System.IO.Pipelines;
using System.Text;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Xunit;

namespace Orleans.Raft.Shell.Tests;

public sealed class SessionTests : IDisposable
{
    private readonly FakeCluster _cluster = new();
    private readonly StringWriter _log = new();

    public void Dispose() => _log.Dispose();

    [Fact]
    public async Task Each_result_is_flushed_before_the_next_line_is_read()
    {
        var input = new Pipe();
        var output = new Pipe();
        Task<int> session = Session().RunAsync(input.Reader.AsStream(), output.Writer.AsStream());
        using var answers = new StreamReader(output.Reader.AsStream());
        foreach ((string line, string answer) in new[] { ("put k v", "OK"), ("get k", "v"), ("get x", "(nil)") })
        {
            await input.Writer.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"));
            Assert.Equal(answer, await answers.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        }
        await input.Writer.CompleteAsync();
        Assert.Equal(0, await session);
    }

    [Fact]
    public async Task An_unforeseen_failure_is_printed_logged_and_survived()
    {
        _cluster.BeforePut = _ => throw new InvalidTimeZoneException("first\nsecond");
        Assert.Equal("ERR Internal: line 1, put: InvalidTimeZoneException: first\\nsecond; " +
            "the log on standard error says more\n(nil)\n",
            await RunAsync("put k v\nget k\n", expectedCode: 1));
        Assert.Contains("at Orleans.Raft.Shell.Tests", _log.ToString());
    }

    [Fact]
    public async Task A_line_over_the_bound_is_skipped_with_an_error()
    {
        string output = await RunAsync($"put k {new string('v', 2000)}\nget k\n", 1,
            new ShellOptions { LineMaxBytes = 1024 });
        Assert.StartsWith("ERR LineTooLong: line 1: longer than 1024 bytes", output);
        Assert.EndsWith("\n(nil)\n", output);
    }

    [Fact]
    public async Task A_reader_that_went_away_ends_the_session()
    {
        using var input = new MemoryStream("put a 1\nput b 2\n"u8.ToArray());
        Assert.Equal(1, await Session().RunAsync(input, new ClosedPipe()));
        Assert.Equal(1, _cluster.Puts);
        Assert.Contains("broken pipe", _log.ToString());
        Assert.Equal(1, await Session().ExecuteAsync(["get", "a"], new ClosedPipe()));
    }

    [Fact]
    public async Task Cancellation_ends_a_session_that_waits_for_a_line()
    {
        using var stop = new CancellationTokenSource();
        Task<int> session = Session().RunAsync(new Pipe().Reader.AsStream(), Stream.Null, stop.Token);
        await stop.CancelAsync();
        Assert.Equal(0, await session.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_status_that_never_comes_times_out()
    {
        var time = new ManualTime();
        _cluster.Status = () =>
        {
            time.FireTimersOnceCreated();
            return new TaskCompletionSource<ClusterStatus>().Task;
        };
        string output = await RunAsync("status\nkill node-1\nput k v\n", 1, new ShellOptions { TimeProvider = time });
        Assert.Matches(@"\AERR Timeout: line 1, status: [^\n]*5 s[^\n]*\nERR Timeout: line 2, kill: [^\n]*\nOK\n\z",
            output);
    }

    [Fact]
    public async Task Status_values_have_no_blanks()
    {
        var node = new NodeName("silo a");
        _cluster.Status = () => Task.FromResult(new ClusterStatus(
            [new GroupStatus(new GroupId(2), "a b"u8.ToArray(), new byte[] { 0xff }, null, new Term(4),
                new LogIndex(9))],
            [new ReplicaStatus(new GroupId(2), node, "failed", new Term(4), new LogIndex(9), new LogIndex(8),
                "it broke\tdown")],
            [new NodeStatus(node, false, 1, 2, 3, "disk hangs"),
                new NodeStatus(new NodeName("slot-1"), true, 4, 5, 6, Silo: "silo a")]));
        Assert.Equal("""
            group g2 start=a\x20b end=\xff leader= term=4 commit=9
            replica g2 silo\x20a role=failed term=4 commit=9 applied=8 reason=it\x20broke\tdown
            node silo\x20a state=down log_bytes=1 snapshots=2 memory_bytes=3 problem=disk\x20hangs
            node slot-1 state=up log_bytes=4 snapshots=5 memory_bytes=6 silo=silo\x20a

            """, await RunAsync("status\n", 0));
    }

    [Fact]
    public async Task A_fault_that_the_host_refuses_is_an_error()
    {
        Assert.Equal("OK\nERR InvalidState: line 2, kill: node-1: it is down already; start it first\n",
            await RunAsync("kill node-1\nkill node-1\n", 1));
    }

    [Fact]
    public async Task An_import_stops_at_the_first_write_that_fails_and_counts_those_before()
    {
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllLinesAsync(path, Enumerable.Range(1, 5000).Select(number => $"k{number:0000}\tv"));
            _cluster.BeforePut = async key =>
            {
                await Task.Yield();
                if (Encoding.UTF8.GetString(key) == "k0300") throw new OutcomeUnknownException("no answer came");
            };
            string output = await RunAsync($"import {path}\n", 1);
            Assert.StartsWith($"ERR OutcomeUnknown: line 1, import: file '{path}', line 300: no answer came; ", output);
            Assert.Contains($"{_cluster.Puts} rows were written", output);
            Assert.InRange(_cluster.Puts, 299, 299 + 1024);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task A_failed_export_leaves_the_old_file_and_nothing_else()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("shell-");
        try
        {
            string path = Path.Combine(folder.FullName, "rows.tsv");
            await File.WriteAllTextAsync(path, "old\n");
            string output = await RunAsync($"kill node-1\nkill node-2\nexport {path}\n", 1);
            Assert.Contains("\nERR Unavailable: line 3, export: ", output);
            Assert.Equal("old\n", await File.ReadAllTextAsync(path));
            Assert.Single(folder.GetFiles());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Bench_counts_failures_and_names_one()
    {
        // However slow the machine is, the measured time passes by failures only.
        var time = new ManualTime();
        _cluster.BeforePut = _ =>
        {
            time.Advance(TimeSpan.FromMilliseconds(10));
            throw new UnavailableException("nobody is there");
        };
        string output =
            await RunAsync("bench put --clients 2 --seconds 0.1\n", 0, new ShellOptions { TimeProvider = time });
        Assert.Contains("put 0 ops/s (0 operations in 0.1 s, ", output);
        Assert.Matches(@"\nerrors [1-9]\d*, one of them Unavailable: nobody is there\n", output);
        Assert.StartsWith("ERR Unavailable: line 1, bench: ", await RunAsync("bench get --seconds 0.1\n", 1));
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        var bad = new ShellOptions { LineMaxBytes = 1, StatusTimeout = TimeSpan.Zero, FaultTimeout = TimeSpan.Zero };
        Assert.Equal(3, bad.Validate().Count);
        Assert.Throws<ArgumentException>(() => new ShellSession(_cluster, _cluster, _cluster, _cluster, bad));
    }

    private ShellSession Session(ShellOptions? options = null) => new(_cluster, _cluster, _cluster, _cluster,
        new ShellOptions
        {
            LineMaxBytes = options?.LineMaxBytes ?? new ShellOptions().LineMaxBytes,
            TimeProvider = options?.TimeProvider ?? TimeProvider.System,
            Log = _log,
        });

    private async Task<string> RunAsync(string input, int expectedCode, ShellOptions? options = null)
    {
        using var output = new MemoryStream();
        int code = await Session(options).RunAsync(new MemoryStream(Encoding.UTF8.GetBytes(input)), output);
        string text = Encoding.UTF8.GetString(output.ToArray());
        Assert.True(code == expectedCode, text);
        return text;
    }

    private sealed class ClosedPipe : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken =
            default) =>
            throw new IOException("broken pipe");
    }
}
