using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>A layer on the device, run on whichever lane is free.</summary>
internal sealed class CuBlasPrepared(CuBlasBackend backend, DeviceLayer layer) : IPreparedFfn
{
    /// <inheritdoc/>
    public long WeightBytes { get; } = layer.Weights.Memory.Region.Bytes;

    /// <inheritdoc/>
    public double WeightError { get; } = layer.Weights.Error.Relative;

    /// <summary>The layer.</summary>
    public DeviceLayer Layer => layer;

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        using Hold hold = new(layer);
        if (rows.Input.Height == 0)
        {
            return;
        }

        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        DeviceLane lane = backend.TakeLane();
        try
        {
            using CudaContext.Scope scope = lane.Context.Enter();
            HostForward.Run(lane, layer, rows);
        }
        catch (Exception exception)
        {
            backend.Abandon(lane);
            if (DeviceFault.IsNative(exception))
            {
                throw backend.Fault.Translate(exception);
            }

            throw;
        }

        backend.ReturnLane(lane);
        rows.Profile?.AddElapsed(System.Diagnostics.Stopwatch.GetTimestamp() - start);
    }

    /// <inheritdoc/>
    public void Dispose() => layer.Dispose();

    /// <summary>A reference held for the length of a run: disposing in between frees the weights when the run is over.</summary>
    internal readonly ref struct Hold
    {
        private readonly DeviceLayer _layer;

        public Hold(DeviceLayer layer)
        {
            bool held = false;
            layer.DangerousAddRef(ref held);
            _layer = layer;
        }

        public void Dispose() => _layer.DangerousRelease();
    }
}
