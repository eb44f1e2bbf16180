using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu;

/// <summary>A layer whose weights are in native memory, run by whichever forward state is free.</summary>
/// <param name="weights">The weights.</param>
/// <param name="forwards">Forward states.</param>
internal sealed class CpuLoadedLayer(CpuLayerWeights weights, ObjectSlots<CpuForward> forwards) : ILoadedLayer
{
    /// <inheritdoc/>
    public long WeightBytes => weights.Bytes;

    /// <inheritdoc/>
    public double QuantizationError => weights.Error.Relative;

    /// <inheritdoc/>
    public string Encodings => weights.Encodings;

    /// <inheritdoc/>
    public void ReadExpertTokens(Span<long> counts) => weights.Tokens?.Read(counts);

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        // A reference held for the length of the run: disposing in between frees the weights when the run is over.
        bool held = false;
        try
        {
            weights.DangerousAddRef(ref held);
            RunWithAny(rows);
        }
        finally
        {
            if (held)
            {
                weights.DangerousRelease();
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
            weights.DangerousAddRef(ref held);
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
                weights.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => weights.Dispose();

    private void RunWithAny(in FfnRows rows)
    {
        if (rows.Input.Height == 0)
        {
            return;
        }

        CpuForward forward = forwards.Take();
        try
        {
            forward.Run(weights, rows);
        }
        finally
        {
            forwards.Return(forward);
        }
    }
}
