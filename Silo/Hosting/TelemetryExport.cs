using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Silo;

/// <summary>Sends the store's and Orleans' metrics and traces to an OpenTelemetry collector. What more there is to set,
/// such as periods and sampling, OpenTelemetry's own environment variables say.</summary>
internal sealed class TelemetryExport(Uri collector, NodeName name, string clusterId) : IHostedService, IDisposable
{
    private const string OrleansMeter = "Microsoft.Orleans";

    private MeterProvider? _metrics;
    private TracerProvider? _traces;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        ResourceBuilder resource = ResourceBuilder.CreateDefault()
            .AddService("orleans-raft", serviceNamespace: clusterId, serviceInstanceId: name.Value);
        _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource)
            .AddMeter(StoreMetrics.Name, OrleansMeter).AddOtlpExporter(options => Aim(options, "v1/metrics")).Build();
        _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource)
            .AddSource(StoreMetrics.Name).AddOtlpExporter(options => Aim(options, "v1/traces")).Build();
        return Task.CompletedTask;
    }

    /// <summary>What was measured last goes out, too.</summary>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        _metrics?.Dispose();
        _traces?.Dispose();
        (_metrics, _traces) = (null, null);
    }

    private void Aim(OtlpExporterOptions options, string signal)
    {
        options.Protocol = OtlpExportProtocol.HttpProtobuf;
        options.Endpoint = new Uri($"{collector.ToString().TrimEnd('/')}/{signal}");
    }
}
