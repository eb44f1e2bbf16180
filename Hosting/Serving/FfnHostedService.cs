using Microsoft.Extensions.Hosting;

namespace NativeFfn.Hosting.Serving;

/// <summary>Starts the engine before anything that uses it, and closes it after everything that did has stopped.</summary>
internal sealed class FfnHostedService : IHostedLifecycleService
{
    private readonly FfnRuntime _runtime;

    public FfnHostedService(FfnRuntime runtime) => _runtime = runtime;

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken) => Task.Run(() => _runtime.Start(cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        _runtime.BeginDraining();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => _runtime.CloseAsync(cancellationToken);
}
