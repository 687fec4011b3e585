using System.Net;
using Xunit;

namespace Orleans.Raft.Bench.Tests;

public sealed class EtcdConnectionTests
{
    private readonly byte[] _buffer = new byte[64];

    [Fact]
    public async Task A_put_is_a_gRPC_request_over_HTTP_2()
    {
        var server = new ScriptedServer { Body = GrpcFrame.Wrap([]), Trailers = { ["grpc-status"] = "0" } };
        using var connection = new EtcdConnection("host:1", server);
        byte[] put = EtcdMessages.Put("k"u8, "v"u8);
        await connection.PutAsync(put, _buffer, CancellationToken.None);

        Assert.Equal("POST http://host:1/etcdserverpb.KV/Put 2.0 RequestVersionExact", server.RequestLine);
        Assert.Equal("application/grpc", server.ContentType);
        Assert.Equal("trailers", server.Te);
        Assert.Equal(put, server.RequestBody);
    }

    [Fact]
    public async Task An_answer_is_read_to_its_end()
    {
        byte[] answer = GrpcFrame.Wrap([1, 2, 3]);
        var server = new ScriptedServer { Body = answer, Trailers = { ["grpc-status"] = "0" } };
        using var connection = new EtcdConnection("host:1", server);
        int length = await connection.RangeAsync(EtcdMessages.Range("k"u8), _buffer, CancellationToken.None);
        Assert.Equal(answer, _buffer[..length]);
    }

    [Fact]
    public async Task A_refusal_in_the_trailers_is_an_error()
    {
        var server = new ScriptedServer { Body = GrpcFrame.Wrap([]),
            Trailers = { ["grpc-status"] = "14", ["grpc-message"] = "no%20leader" } };
        using var connection = new EtcdConnection("host:1", server);
        EtcdException failure = await Assert.ThrowsAsync<EtcdException>(PutAsync(connection));
        Assert.Equal(14, failure.Status);
        Assert.Contains("no leader", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_in_the_headers_is_an_error()
    {
        var server = new ScriptedServer { Headers =
            { ["grpc-status"] = "3", ["grpc-message"] = "etcdserver: key is not provided" } };
        using var connection = new EtcdConnection("host:1", server);
        Assert.Equal(3, (await Assert.ThrowsAsync<EtcdException>(PutAsync(connection))).Status);
    }

    [Fact]
    public async Task An_answer_without_status_is_an_error()
    {
        using var connection = new EtcdConnection("host:1", new ScriptedServer { Body = GrpcFrame.Wrap([]) });
        Assert.Equal(-1, (await Assert.ThrowsAsync<EtcdException>(PutAsync(connection))).Status);
    }

    [Fact]
    public async Task A_server_that_is_no_etcd_is_told_apart()
    {
        using var connection = new EtcdConnection("host:1", new ScriptedServer { Status = HttpStatusCode.NotFound });
        EtcdException failure = await Assert.ThrowsAsync<EtcdException>(PutAsync(connection));
        Assert.Contains("404", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_is_larger_than_expected_is_an_error()
    {
        var server = new ScriptedServer { Body = new byte[65], Trailers = { ["grpc-status"] = "0" } };
        using var connection = new EtcdConnection("host:1", server);
        await Assert.ThrowsAsync<InvalidDataException>(PutAsync(connection));
    }

    private Func<Task> PutAsync(EtcdConnection connection) =>
        () => connection.PutAsync(EtcdMessages.Put("k"u8, "v"u8), _buffer, CancellationToken.None).AsTask();

    /// <summary>Answers every request in the same way and remembers the last.</summary>
    private sealed class ScriptedServer : HttpMessageHandler
    {
        public HttpStatusCode Status { get; init; } = HttpStatusCode.OK;

        public byte[] Body { get; init; } = [];

        public Dictionary<string, string> Headers { get; } = [];

        public Dictionary<string, string> Trailers { get; } = [];

        public string? RequestLine { get; private set; }

        public string? ContentType { get; private set; }

        public string? Te { get; private set; }

        public byte[] RequestBody { get; private set; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request,
            CancellationToken cancellationToken)
        {
            RequestLine = $"{request.Method} {request.RequestUri} {request.Version} {request.VersionPolicy}";
            ContentType = request.Content!.Headers.ContentType!.ToString();
            Te = request.Headers.TE.ToString();
            RequestBody = await request.Content.ReadAsByteArrayAsync(cancellationToken);
            var response = new HttpResponseMessage(Status) { Content = new ByteArrayContent(Body) };
            foreach ((string name, string value) in Headers) response.Headers.TryAddWithoutValidation(name, value);
            foreach ((string name, string value) in Trailers)
                response.TrailingHeaders.TryAddWithoutValidation(name, value);
            return response;
        }
    }
}
