using NativeFfn.AspNetCore;
using NativeFfn.Hosting;
using OpenTelemetry.Metrics;

// Serves the layers of a checkpoint over HTTP and gRPC, with health, metrics and a description. appsettings.json names the checkpoint.
WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.Services.AddNativeFfn();             // the section NativeFfn
builder.Services.AddNativeFfnEndpoints();    // the section NativeFfnEndpoints
builder.Services.AddNativeFfnGrpc();
builder.Services.AddOpenApi();
builder.Services.AddOpenTelemetry().WithMetrics(static metrics => metrics.AddMeter("NativeFfn").AddPrometheusExporter());

WebApplication app = builder.Build();
app.MapNativeFfn();
app.MapNativeFfnGrpc();
app.MapNativeFfnHealthChecks();
app.MapOpenApi();
app.MapPrometheusScrapingEndpoint();
app.Run();
