using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Raft.Grains;

namespace Orleans.Raft.Silo;

/// <summary>Says over HTTP whether the silo lives and whether it is ready; from before the silo starts until it has
/// ended.</summary>
/// <param name="nodes">Asked with every request; there is none while the silo's services are made.</param>
internal sealed class HealthServer(IPEndPoint endpoint, Func<SiloNodes> nodes) : IHostedService, IAsyncDisposable
{
    private WebApplication? _application;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(server => server.ListenAnyIP(endpoint.Port));
        builder.Services.AddSingleton<IHostLifetime, SilentLifetime>();
        _application = builder.Build();
        _application.Run(AnswerAsync);
        await _application.StartAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) =>
        _application?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    public ValueTask DisposeAsync() => _application?.DisposeAsync() ?? ValueTask.CompletedTask;

    private Task AnswerAsync(HttpContext context)
    {
        (int status, string text) = context.Request.Path.Value switch
        {
            "/health/live" => nodes().WhyNotLive is { } why ? (StatusCodes.Status503ServiceUnavailable, why)
                : (StatusCodes.Status200OK, "live"),
            "/health/ready" => nodes().WhyNotReady is { } why ? (StatusCodes.Status503ServiceUnavailable, why)
                : (StatusCodes.Status200OK, "ready"),
            _ => (StatusCodes.Status404NotFound, "There are /health/live and /health/ready."),
        };
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text + "\n");
    }
}
