using System.Diagnostics;
using System.Runtime.CompilerServices;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>A layer on the device, run on whichever slot is free.</summary>
internal sealed class CuBlasLayer(CuBlasBackend backend, DeviceLayer layer) : ILoadedLayer
{
    /// <inheritdoc/>
    public long WeightBytes { get; } = layer.WeightBytes;

    /// <inheritdoc/>
    public double QuantizationError { get; } = layer.QuantizationError;

    /// <inheritdoc/>
    public string Encodings { get; } = layer.Encoding.Name;

    /// <inheritdoc/>
    public string Gemms => layer.Networks[0].DecodeTokens is > 0 and var few
        ? $"decode kernels to {few} {(few == 1 ? "token" : "tokens")}, cuBLASLt beyond"
        : "cuBLASLt";

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
    public void ReadExpertTokens(Span<long> counts) => layer.Mixture?.Tokens.Read(counts);

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
                await RunOnSlotAsync(rows, cancellationToken).ConfigureAwait(false);
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
    private async ValueTask RunOnSlotAsync(FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        StreamSlot slot = backend.Slots.Take();
        try
        {
            await HostForward.RunAsync(slot, layer, rows, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            backend.Slots.Return(slot, failure);
            throw;
        }

        backend.Slots.Return(slot);
    }

    /// <summary>The layer behind what this backend prepared.</summary>
    internal static DeviceLayer LayerOf(ILoadedLayer prepared) => ((CuBlasLayer)prepared).Layer;

    private static void RunHeld(CuBlasBackend backend, ReadOnlySpan<ILoadedLayer> layers, in FfnRows rows)
    {
        long start = Stopwatch.GetTimestamp();
        StreamSlot slot = backend.Slots.Take();
        try
        {
            using CudaContext.Scope scope = slot.Context.Enter();
            HostForward.Run(slot, LayerOf(layers[0]), layers[1..], rows);
        }
        catch (Exception failure)
        {
            backend.Slots.Return(slot, failure);
            throw;
        }

        backend.Slots.Return(slot);
        rows.Profile?.AddElapsed(Stopwatch.GetTimestamp() - start);
    }
}
