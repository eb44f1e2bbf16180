using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace NativeFfn.Hosting.Serving;

/// <summary>Starts the engine before anything that uses it, and closes it after everything that did has stopped.</summary>
internal sealed class FfnHostedService : IHostedLifecycleService
{
    private readonly FfnRuntime _runtime;
    private readonly IOptionsMonitor<NativeFfnOptions> _options;
    private readonly string _optionsName;
    private readonly IHostApplicationLifetime? _lifetime;
    private IDisposable? _watch;

    /// <summary>Starts nothing yet.</summary>
    /// <param name="runtime">The engine.</param>
    /// <param name="options">Told of changes.</param>
    /// <param name="optionsName">The name of the engine's.</param>
    /// <param name="lifetime">The host, which ends with the ranks of a job.</param>
    public FfnHostedService(
        FfnRuntime runtime, IOptionsMonitor<NativeFfnOptions> options, string optionsName, IHostApplicationLifetime? lifetime)
    {
        _lifetime = lifetime;
        _runtime = runtime;
        _options = options;
        _optionsName = optionsName;
    }

    /// <inheritdoc/>
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _runtime.GroupEnded = failed =>
        {
            Environment.ExitCode = failed ? 1 : Environment.ExitCode;
            _lifetime?.StopApplication();
        };
        return Task.Run(() => _runtime.Start(cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StartedAsync(CancellationToken cancellationToken)
    {
        _watch = _options.OnChange((changed, name) =>
        {
            if ((name ?? Options.DefaultName) == _optionsName)
            {
                _ = _runtime.ApplyAsync(changed);
            }
        });
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        _watch?.Dispose();
        _runtime.BeginDraining();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StoppedAsync(CancellationToken cancellationToken) => _runtime.CloseAsync(cancellationToken);
}
