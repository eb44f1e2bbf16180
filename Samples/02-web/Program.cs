using NativeFfn.AspNetCore;
using NativeFfn.Hosting;
using OpenTelemetry;
using OpenTelemetry.Metrics;

// Serves the layers of a checkpoint over HTTP and gRPC, with health, metrics and a description. appsettings.json names the checkpoint.
WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.Services.AddNativeFfn();             // the section NativeFfn
builder.Services.AddNativeFfnEndpoints();    // the section NativeFfnEndpoints
builder.Services.AddNativeFfnGrpc();
builder.Services.AddOpenApi();
OpenTelemetryBuilder telemetry = builder.Services.AddOpenTelemetry()
    .WithMetrics(static metrics => metrics
        .AddMeter("NativeFfn", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
        .AddPrometheusExporter())
    .WithTracing(static traces => traces.AddSource("NativeFfn", "Microsoft.AspNetCore"));
if (!string.IsNullOrEmpty(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
{
    telemetry.UseOtlpExporter();             // to whom the environment says, such as Aspire's dashboard
}

WebApplication app = builder.Build();
app.MapNativeFfn();
app.MapNativeFfnGrpc();
app.MapNativeFfnHealthChecks();
app.MapOpenApi();
app.MapPrometheusScrapingEndpoint();
app.Run();
