// Runs the web sample under Aspire, whose dashboard shows its log, its requests as traces, with the wait in the queue and the forward
// inside them, and the metrics of its meters. NATIVEFFN_MODEL names the checkpoint.
IDistributedApplicationBuilder builder = DistributedApplication.CreateBuilder(args);
string model = Environment.GetEnvironmentVariable("NATIVEFFN_MODEL") is { Length: > 0 } path
    ? Path.GetFullPath(path)
    : throw new InvalidOperationException("NATIVEFFN_MODEL is not set. Name a checkpoint, such as 'nativeffn init --output' makes.");

builder.AddProject<Projects.Web>("layers", launchProfileName: null)
    .WithEnvironment("NativeFfn__Models__model__Path", model)
    .WithHttpHealthCheck("/healthz/ready", endpointName: "Http");

builder.Build().Run();
