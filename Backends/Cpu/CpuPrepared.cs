using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu;

/// <summary>Weights in native memory, run by whichever forward state is free.</summary>
/// <typeparam name="TForward">What runs one forward at a time.</typeparam>
/// <param name="lifetime">Holding a reference keeps the weights from being freed.</param>
/// <param name="forwards">Forward states.</param>
internal abstract class CpuPrepared<TForward>(SafeHandle lifetime, ObjectSlots<TForward> forwards) : ILoadedLayer
    where TForward : class, IDisposable
{
    /// <inheritdoc/>
    public abstract long WeightBytes { get; }

    /// <inheritdoc/>
    public abstract double QuantizationError { get; }

    /// <inheritdoc/>
    public virtual void ReadExpertTokens(Span<long> counts)
    {
    }

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        // A reference held for the length of the run: disposing in between frees the weights when the run is over.
        bool held = false;
        try
        {
            lifetime.DangerousAddRef(ref held);
            if (rows.Input.Height > 0)
            {
                RunWithAny(rows);
            }
        }
        finally
        {
            if (held)
            {
                lifetime.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask RunAsync(FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        bool held = false;
        try
        {
            // From now on, and not from when the pool comes to it: the forward is in flight once the caller has its task.
            lifetime.DangerousAddRef(ref held);
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            cancellationToken.ThrowIfCancellationRequested();
            if (rows.Tokens > 0)
            {
                RunWithAny(rows.Rows);
            }
        }
        finally
        {
            if (held)
            {
                lifetime.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => lifetime.Dispose();

    /// <summary>Runs rows, of which there is at least one.</summary>
    protected abstract void Run(TForward forward, in FfnRows rows);

    private void RunWithAny(in FfnRows rows)
    {
        TForward forward = forwards.Take();
        try
        {
            Run(forward, rows);
        }
        finally
        {
            forwards.Return(forward);
        }
    }
}
