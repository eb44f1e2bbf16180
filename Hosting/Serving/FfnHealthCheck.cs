using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace NativeFfn.Hosting.Serving;

/// <summary>Whether the engine takes requests, from what is known already: nothing is run.</summary>
internal sealed class FfnHealthCheck : IHealthCheck
{
    private readonly FfnRuntime _runtime;

    public FfnHealthCheck(FfnRuntime runtime) => _runtime = runtime;

    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        FfnStatus status = _runtime.Status;
        HealthCheckResult result = status.State == FfnState.Ready
            ? HealthCheckResult.Healthy(status.Description)
            : new HealthCheckResult(context.Registration.FailureStatus, status.Description, status.Exception);
        return Task.FromResult(result);
    }
}
