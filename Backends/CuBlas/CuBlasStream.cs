using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Layers;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>A lane of the application's own: forwards on device memory, queued one behind the other.</summary>
internal sealed class CuBlasStream : IDeviceStream
{
    private readonly CuBlasBackend _backend;
    private readonly DeviceLane _lane;
    private readonly DeviceLifetime _device;

    // Layers of which something may be queued: their weights stay until that is known to be done.
    private readonly HashSet<DeviceLayer> _held = [];

    public CuBlasStream(CuBlasBackend backend, DeviceLifetime device, DeviceLane lane)
    {
        _backend = backend;
        _device = device;
        _lane = lane;
    }

    /// <inheritdoc/>
    public nint Handle => _lane.Stream.Handle;

    /// <inheritdoc/>
    public void Synchronize()
    {
        Guard(static (DeviceLane lane, CuBlasPrepared? _, in DeviceForwardRows _) => lane.Stream.Synchronize(), null, default);
        Release();
    }

    /// <inheritdoc/>
    public void Run(ILoadedLayer layer, in DeviceForwardRows rows)
    {
        if (layer is not CuBlasPrepared prepared || prepared.Backend != _backend)
        {
            throw new ArgumentException("The layer is of another engine than the stream.", nameof(layer));
        }

        // Refused where the layer was disposed, though an earlier forward holds its weights.
        bool held = false;
        prepared.Layer.DangerousAddRef(ref held);
        if (!_held.Add(prepared.Layer))
        {
            prepared.Layer.DangerousRelease();
        }

        if (rows.Input.Tokens > 0)
        {
            Guard(static (DeviceLane lane, CuBlasPrepared? prepared, in DeviceForwardRows rows) => Queue(lane, prepared!.Layer, rows), prepared, rows);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        LanePool.Abandon(_lane);
        Release();
        _device.DangerousRelease();
    }

    private void Release()
    {
        foreach (DeviceLayer layer in _held)
        {
            layer.DangerousRelease();
        }

        _held.Clear();
    }

    private static void Queue(DeviceLane lane, DeviceLayer layer, in DeviceForwardRows rows)
    {
        FfnSpec spec = layer.Spec;
        DeviceRows input = Prove(lane, rows.Input, spec.InputWidth, nameof(rows.Input));
        DeviceRows output = Prove(lane, rows.Output, spec.OutputWidth, nameof(rows.Output));
        DeviceRows residual = rows.Mode switch
        {
            FfnMode.Residual => Prove(lane, rows.Residual, spec.OutputWidth, nameof(rows.Residual)),
            FfnMode.Block => input,
            _ => default,
        };
        layer.Queue(new DeviceRun
        {
            Lane = lane,
            Tokens = rows.Input.Tokens,
            Input = input,
            Residual = residual,
            Output = output,
            IsBlock = rows.Mode == FfnMode.Block,
        });
    }

    // A wrong address would end the context, and with it every engine of the process.
    private static DeviceRows Prove(DeviceLane lane, FfnDeviceRows rows, int width, string name)
    {
        var proven = new DeviceRows(rows.Address, rows.Stride);
        DeviceRegion region = proven.Region(rows.Tokens, width);
        try
        {
            _ = lane.Context.Region(region.Address, region.Bytes);
            return proven;
        }
        catch (ArgumentException wrong)
        {
            throw new ArgumentException($"{name}: {wrong.Message}", name.ToLowerInvariant(), wrong);
        }
    }

    private delegate void Work(DeviceLane lane, CuBlasPrepared? prepared, in DeviceForwardRows rows);

    private void Guard(Work work, CuBlasPrepared? prepared, in DeviceForwardRows rows)
    {
        _backend.Fault.ThrowIfAny();
        try
        {
            using CudaContext.Scope scope = _lane.Context.Enter();
            work(_lane, prepared, rows);
        }
        catch (Exception failure) when (DeviceFault.IsNative(failure))
        {
            _lane.Probe();
            throw _backend.Fault.Translate(failure);
        }
    }
}
