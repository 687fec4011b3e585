using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>What silos tell of themselves: metrics, traces, and whether they live and are ready.</summary>
[Collection(Alone)]
public sealed partial class TelemetryTests
{
    private const string Alone = "a process has one meter of a name: no other test's silos may be there";

    [Fact]
    public async Task The_table_of_metrics_and_the_code_are_the_same_and_every_number_moves_that_should()
    {
        var instruments = new ConcurrentDictionary<string, Instrument>();
        var sums = new ConcurrentDictionary<string, double>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, it) =>
        {
            if (instrument.Meter.Name != StoreMetrics.Name) return;
            instruments[instrument.Name] = instrument;
            it.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => Add(instrument, value));
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => Add(instrument, value));
        listener.Start();
        var cluster = new RaftTestCluster();
        await cluster.InitializeAsync();
        try
        {
            await cluster.Store.PutAsync("a"u8.ToArray(), "1"u8.ToArray());
            await cluster.Store.GetAsync("a"u8.ToArray());
            listener.RecordObservableInstruments();
        }
        finally
        {
            await cluster.DisposeAsync();
        }
        string[] described = [.. Table().Select(row => $"{row.Name} {row.Kind} {row.Unit}").Order(StringComparer.Ordinal)];
        string[] made = [.. instruments.Values.Select(i => $"{i.Name} {KindOf(i)} {i.Unit}").Order(StringComparer.Ordinal)];
        Assert.Equal(made, described);
        string[] moved =
        [
            "raft.proposed_batches", "raft.committed_entries", "raft.applied_entries", "raft.read_batches",
            "raft.elections", "raft.leader_changes", "raft.sent_messages", "raft.replicas", "raft.led_groups",
            "raft.data_bytes", "raft.memory_bytes", "raft.log_bytes", "raft.flush_duration_seconds", "raft.flush_bytes",
            "raft.request_duration_seconds",
        ];
        foreach (string name in moved) Assert.True(sums.GetValueOrDefault(name) > 0, $"{name} is 0");
        // Three silos with a replica each of four groups and of the meta group; silos of earlier tests may be told, too.
        Assert.True(sums["raft.replicas"] >= 15, $"{sums["raft.replicas"]} replicas");
        Assert.True(sums["raft.led_groups"] >= 5, $"{sums["raft.led_groups"]} groups led");

        void Add(Instrument instrument, double value) =>
            sums.AddOrUpdate(instrument.Name, value, (_, before) => before + value);
    }

    [Fact]
    public async Task A_silo_sends_metrics_and_traces_to_a_collector_and_says_whether_it_is_ready()
    {
        using var collector = new Collector();
        string directory = Directory.CreateTempSubdirectory("telemetry-").FullName;
        int health = FreePort();
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{health}") };
        string gateway = FreePort().ToString(CultureInfo.InvariantCulture);
        // silo-2 is missing: silo-1 waits for it.
        string[] arguments =
        [
            "--name", "silo-1", "--nodes", "silo-1,silo-2", "--replicas", "1", "--data", directory, "--silo-port",
            $"{FreePort()}", "--gateway-port", gateway, "--health-port", $"{health}", "--otlp", collector.Address,
        ];
        Environment.SetEnvironmentVariable("OTEL_METRIC_EXPORT_INTERVAL", "200");
        Environment.SetEnvironmentVariable("OTEL_BSP_SCHEDULE_DELAY", "200");
        using (ProgramProcess silo = ProgramProcess.Start("Silo", arguments))
        {
            await RaftTestCluster.WaitAsync("the silo says that it lives",
                async () => await AskAsync("/health/live") is (HttpStatusCode.OK, "live\n"));
            await RaftTestCluster.WaitAsync("the silo says for what it waits",
                async () => await AskAsync("/health/ready") is (HttpStatusCode.ServiceUnavailable, var reason)
                    && reason.Contains("is not part of a formed cluster yet", StringComparison.Ordinal));
            Assert.Equal(HttpStatusCode.NotFound, (await AskAsync("/health")).Status);
            using ProgramProcess other = ProgramProcess.Start("Silo", "--name", "silo-2", "--nodes", "silo-1,silo-2",
                "--replicas", "1", "--data", directory, "--silo-port", $"{FreePort()}", "--gateway-port", $"{FreePort()}");
            Assert.Equal("ready silo-1", await silo.ReadLineAsync());
            Assert.Equal((HttpStatusCode.OK, "ready\n"), await AskAsync("/health/ready"));
            Assert.Equal(0, (await ProgramProcess.RunAsync("Client", "--gateways", $"127.0.0.1:{gateway}", "put", "a",
                "1")).ExitCode);
            await RaftTestCluster.WaitAsync("metrics arrive", () => collector.Has("/v1/metrics", "raft.led_groups")
                && collector.Has("/v1/metrics", "raft.flush_duration_seconds")
                && collector.Has("/v1/metrics", "raft.request_duration_seconds"));
            await RaftTestCluster.WaitAsync("traces arrive", () => collector.Has("/v1/traces", "Execute"));
            Assert.True(collector.Has("/v1/metrics", "silo-1"));
            other.Kill();
            // Of its groups, those that were led here are led on.
            Assert.Equal(HttpStatusCode.OK, (await AskAsync("/health/live")).Status);
        }
        Directory.Delete(directory, recursive: true);

        async Task<(HttpStatusCode Status, string Text)> AskAsync(string path)
        {
            try
            {
                using HttpResponseMessage response = await http.GetAsync(new Uri(path, UriKind.Relative));
                return (response.StatusCode, await response.Content.ReadAsStringAsync());
            }
            catch (HttpRequestException failure)
            {
                return (0, failure.Message);
            }
        }
    }

    private static IEnumerable<(string Name, string Kind, string Unit)> Table()
    {
        DirectoryInfo? root = new(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Orleans.Raft.sln"))) root = root.Parent;
        foreach (string line in File.ReadLines(Path.Combine(root!.FullName, "docs", "metrics.md")))
            if (Row().Match(line) is { Success: true } row)
                yield return (row.Groups[1].Value, row.Groups[2].Value, row.Groups[3].Value);
    }

    private static string KindOf(Instrument instrument) => instrument.GetType().Name.Split('`')[0] switch
    {
        "ObservableCounter" => "counter",
        "ObservableGauge" => "gauge",
        "Histogram" => "histogram",
        var other => other,
    };

    [GeneratedRegex(@"^\| `([^`]+)` \| (\w+) \| `?([^`|]+?)`? \|")]
    private static partial Regex Row();

    /// <summary>Takes whatever is posted, as an OpenTelemetry collector does.</summary>
    private sealed class Collector : IDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly ConcurrentQueue<(string Path, string Body)> _taken = new();

        public Collector()
        {
            Address = $"http://127.0.0.1:{FreePort()}";
            _listener.Prefixes.Add(Address + "/");
            _listener.Start();
            _ = TakeAsync();
        }

        public string Address { get; }

        /// <summary>Whether something came there in protobuf that holds a text.</summary>
        public bool Has(string path, string text) => _taken.Any(taken => taken.Path == path
            && taken.Body.Contains(text, StringComparison.Ordinal));

        public void Dispose() => _listener.Close();

        private async Task TakeAsync()
        {
            while (_listener.IsListening)
            {
                HttpListenerContext context;
                try
                {
                    context = await _listener.GetContextAsync();
                }
                catch (Exception failure) when (failure is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);
                if (context.Request.ContentType == "application/x-protobuf")
                    _taken.Enqueue((context.Request.Url!.AbsolutePath, Encoding.Latin1.GetString(body.ToArray())));
                context.Response.Close();
            }
        }
    }

    /// <summary>Runs when all others have ended.</summary>
    [CollectionDefinition(Alone, DisableParallelization = true)]
    public sealed class AloneCollection;
}
