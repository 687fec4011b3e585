using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Orleans.Raft.Bench;

/// <summary>One HTTP/2 connection to one etcd member, without TLS. May be used by any number of callers at
/// once.</summary>
internal sealed class EtcdConnection : IDisposable
{
    private const int WindowBytes = 1 << 20;
    private static readonly TimeSpan s_connectTimeout = TimeSpan.FromSeconds(5);
    private static readonly MediaTypeHeaderValue s_grpc = new("application/grpc");

    private readonly HttpMessageInvoker _invoker;
    private readonly Uri _put;
    private readonly Uri _range;
    private readonly Uri _status;

    public EtcdConnection(string endpoint)
        : this(endpoint, CreateHandler())
    {
    }

    /// <param name="handler">Disposed with this.</param>
    internal EtcdConnection(string endpoint, HttpMessageHandler handler)
    {
        Endpoint = endpoint;
        Uri address = AddressOf(endpoint);
        _put = new Uri(address, "/etcdserverpb.KV/Put");
        _range = new Uri(address, "/etcdserverpb.KV/Range");
        _status = new Uri(address, "/etcdserverpb.Maintenance/Status");
        _invoker = new HttpMessageInvoker(handler);
    }

    public string Endpoint { get; }

    /// <summary>Where an endpoint is.</summary>
    /// <exception cref="BenchException">It is no host and port.</exception>
    public static Uri AddressOf(string endpoint) =>
        Uri.TryCreate($"http://{endpoint}", UriKind.Absolute, out Uri? address) && address.UserInfo.Length == 0
            && address is { PathAndQuery: "/", Fragment: "" }
            ? address
            : throw new BenchException($"--etcd: '{endpoint}' is no endpoint; write host:port, as in 127.0.0.1:2379.");

    /// <summary>Calls <c>KV.Put</c>.</summary>
    /// <exception cref="EtcdException">etcd refused.</exception>
    /// <exception cref="HttpRequestException">The connection failed; the outcome is unknown.</exception>
    public async ValueTask PutAsync(byte[] framedRequest, byte[] buffer, CancellationToken cancellationToken) =>
        await CallAsync(_put, framedRequest, buffer, cancellationToken);

    /// <summary>Calls <c>KV.Range</c>; the framed answer is at the start of <paramref name="buffer"/>.</summary>
    /// <inheritdoc cref="PutAsync"/>
    public ValueTask<int> RangeAsync(byte[] framedRequest, byte[] buffer, CancellationToken cancellationToken) =>
        CallAsync(_range, framedRequest, buffer, cancellationToken);

    /// <summary>Calls <c>Maintenance.Status</c>; the framed answer is at the start of
    /// <paramref name="buffer"/>.</summary>
    /// <inheritdoc cref="PutAsync"/>
    public ValueTask<int> StatusAsync(byte[] buffer, CancellationToken cancellationToken) =>
        CallAsync(_status, GrpcFrame.Wrap(default), buffer, cancellationToken);

    public void Dispose() => _invoker.Dispose();

    private static SocketsHttpHandler CreateHandler() => new()
    {
        ConnectTimeout = s_connectTimeout,
        EnableMultipleHttp2Connections = false, // Several connections are several instances, each with its share.
        InitialHttp2StreamWindowSize = WindowBytes,
        ActivityHeadersPropagator = null,
        UseCookies = false,
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
    };

    private async ValueTask<int> CallAsync(Uri method, byte[] request, byte[] buffer,
        CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, method)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(request),
        };
        message.Content.Headers.ContentType = s_grpc;
        message.Headers.TryAddWithoutValidation("te", "trailers");
        using HttpResponseMessage response = await _invoker.SendAsync(message, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
            throw new EtcdException(-1,
                $"{Endpoint} answered HTTP {(int)response.StatusCode} to {method.AbsolutePath}; is it an etcd?");
        int length = await ReadAsync(response, buffer, cancellationToken);
        Check(response, method);
        return length;
    }

    private static async ValueTask<int> ReadAsync(HttpResponseMessage response, byte[] buffer,
        CancellationToken cancellationToken)
    {
        Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
        int length = 0;
        while (true)
        {
            if (length == buffer.Length)
                throw new InvalidDataException($"The answer has more than {buffer.Length} bytes.");
            // The trailers are there once the end has been read.
            int read = await body.ReadAsync(buffer.AsMemory(length), cancellationToken);
            if (read == 0) return length;
            length += read;
        }
    }

    private void Check(HttpResponseMessage response, Uri method)
    {
        // An answer without a message carries its status among the headers.
        string? text = Find(response.TrailingHeaders, "grpc-status") ?? Find(response.Headers, "grpc-status");
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int status))
            throw new EtcdException(-1, $"{Endpoint} gave no gRPC status to {method.AbsolutePath}; is it an etcd?");
        if (status == 0) return;
        string? reason = Find(response.TrailingHeaders, "grpc-message") ?? Find(response.Headers, "grpc-message");
        throw new EtcdException(status, $"{Endpoint} refused {method.AbsolutePath} with gRPC status {status}: "
            + $"{Uri.UnescapeDataString(reason ?? "no reason given")}");
    }

    private static string? Find(HttpHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out HeaderStringValues values) ? values.ToString() : null;
}
