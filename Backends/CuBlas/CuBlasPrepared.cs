using System.Diagnostics;
using System.Runtime.CompilerServices;
using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Layers;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>A layer on the device, run on whichever lane is free.</summary>
internal sealed class CuBlasPrepared(CuBlasBackend backend, DeviceLayer layer) : ILoadedLayer
{
    /// <inheritdoc/>
    public long WeightBytes { get; } = layer.WeightBytes;

    /// <inheritdoc/>
    public double QuantizationError { get; } = layer.QuantizationError;

    /// <summary>The layer.</summary>
    public DeviceLayer Layer => layer;

    /// <summary>Whose it is.</summary>
    public CuBlasBackend Backend => backend;

    /// <inheritdoc/>
    public void Tune(int tokens)
    {
        bool held = false;
        try
        {
            layer.DangerousAddRef(ref held);
            backend.Tune(layer, tokens);
        }
        catch (Exception failure) when (DeviceFault.IsNative(failure))
        {
            throw backend.Fault.Translate(failure);
        }
        finally
        {
            if (held)
            {
                layer.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void ReadExpertTokens(Span<long> counts) => layer.ReadExpertTokens(counts);

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        ILoadedLayer self = this;
        Run(backend, new ReadOnlySpan<ILoadedLayer>(in self), rows);
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask RunAsync(FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        bool held = false;
        try
        {
            layer.DangerousAddRef(ref held);
            cancellationToken.ThrowIfCancellationRequested();
            if (rows.Tokens == 0)
            {
                return;
            }

            await layer.Completions.EnterAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await RunOnLaneAsync(rows, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                layer.Completions.Leave();
            }
        }
        finally
        {
            if (held)
            {
                layer.DangerousRelease();
            }
        }
    }

    /// <summary>Runs layers one after the other, with one copy to the device and one back.</summary>
    public static void Run(CuBlasBackend backend, ReadOnlySpan<ILoadedLayer> layers, in FfnRows rows)
    {
        int held = 0;
        try
        {
            // References held for the length of the run: disposing in between frees the weights when the run is over.
            for (; held < layers.Length; held++)
            {
                bool isHeld = false;
                LayerOf(layers[held]).DangerousAddRef(ref isHeld);
            }

            if (rows.Input.Height > 0)
            {
                RunHeld(backend, layers, rows);
            }
        }
        finally
        {
            foreach (ILoadedLayer layer in layers[..held])
            {
                LayerOf(layer).DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => layer.Dispose();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RunOnLaneAsync(FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        DeviceLane lane = backend.Lanes.Take();
        try
        {
            await layer.RunAsync(lane, rows, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            backend.Lanes.Return(lane, failure);
            throw;
        }

        backend.Lanes.Return(lane);
    }

    /// <summary>The layer behind what this backend prepared.</summary>
    internal static DeviceLayer LayerOf(ILoadedLayer prepared) => ((CuBlasPrepared)prepared).Layer;

    private static void RunHeld(CuBlasBackend backend, ReadOnlySpan<ILoadedLayer> layers, in FfnRows rows)
    {
        long start = Stopwatch.GetTimestamp();
        DeviceLane lane = backend.Lanes.Take();
        try
        {
            using CudaContext.Scope scope = lane.Context.Enter();
            if (layers.Length == 1)
            {
                LayerOf(layers[0]).Run(lane, rows);
            }
            else
            {
                ChainForward.Run(lane, layers, rows);
            }
        }
        catch (Exception failure)
        {
            backend.Lanes.Return(lane, failure);
            throw;
        }

        backend.Lanes.Return(lane);
        rows.Profile?.AddElapsed(Stopwatch.GetTimestamp() - start);
    }
}
