using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>A slot of the application's own: forwards on device memory, queued one behind the other.</summary>
internal sealed class CuBlasStream : IDeviceStream
{
    private readonly CuBlasBackend _backend;
    private readonly StreamSlot _slot;
    private readonly DeviceLifetime _device;

    // Layers of which something may be queued: their weights stay until that is known to be done.
    private readonly HashSet<DeviceLayer> _held = [];

    public CuBlasStream(CuBlasBackend backend, DeviceLifetime device, StreamSlot slot)
    {
        _backend = backend;
        _device = device;
        _slot = slot;
    }

    /// <inheritdoc/>
    public nint Handle => _slot.Stream.Handle;

    /// <inheritdoc/>
    public void Synchronize()
    {
        Guard(static (StreamSlot slot, CuBlasLayer? _, in DeviceForwardRows _) => slot.Stream.Synchronize(), null, default);
        Release();
    }

    /// <inheritdoc/>
    public void Reserve(ILoadedLayer layer, int tokens) => Guard(
        static (StreamSlot slot, CuBlasLayer? prepared, in DeviceForwardRows rows) => Reserve(slot, prepared!.Layer, rows.Input.Tokens),
        Prepared(layer),
        new DeviceForwardRows { Input = new FfnDeviceRows(0, tokens, 0), Output = default, Mode = FfnMode.Ffn });

    /// <inheritdoc/>
    public void Run(ILoadedLayer layer, in DeviceForwardRows rows)
    {
        CuBlasLayer prepared = Prepared(layer);

        // Refused where the layer was disposed, though an earlier forward holds its weights.
        bool held = false;
        prepared.Layer.DangerousAddRef(ref held);
        if (!_held.Add(prepared.Layer))
        {
            prepared.Layer.DangerousRelease();
        }

        if (rows.Input.Tokens > 0)
        {
            Guard(static (StreamSlot slot, CuBlasLayer? prepared, in DeviceForwardRows rows) => Queue(slot, prepared!.Layer, rows), prepared, rows);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        StreamSlotPool.Abandon(_slot);
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

    private CuBlasLayer Prepared(ILoadedLayer layer) => layer is CuBlasLayer prepared && prepared.Backend == _backend
        ? prepared
        : throw new ArgumentException("The layer is of another engine than the stream.", nameof(layer));

    private static void Reserve(StreamSlot slot, DeviceLayer layer, int tokens) =>
        slot.Reserve(ForwardScratch.BytesOf(layer, ForwardScratch.ChunkTokens(layer, tokens, fromHost: false), fromHost: false));

    private static void Queue(StreamSlot slot, DeviceLayer layer, in DeviceForwardRows rows)
    {
        FfnSpec spec = layer.Spec;
        DeviceRows input = Prove(slot, rows.Input, spec.InputWidth, nameof(rows.Input));
        DeviceRows output = Prove(slot, rows.Output, spec.OutputWidth, nameof(rows.Output));
        DeviceRows residual = rows.Mode switch
        {
            FfnMode.Residual => Prove(slot, rows.Residual, spec.OutputWidth, nameof(rows.Residual)),
            FfnMode.Block => input,
            _ => default,
        };
        var run = new DeviceRun
        {
            Slot = slot,
            Tokens = rows.Input.Tokens,
            Input = input,
            Residual = residual,
            Output = output,
            IsBlock = rows.Mode == FfnMode.Block,
        };
        Reserve(slot, layer, run.Tokens);
        DeviceForward.Queue(run, layer, fromHost: false);
    }

    // A wrong address would end the context, and with it every engine of the process.
    private static DeviceRows Prove(StreamSlot slot, FfnDeviceRows rows, int width, string name)
    {
        var proven = new DeviceRows(rows.Address, rows.Stride);
        DeviceRegion region = proven.Region(rows.Tokens, width);
        try
        {
            _ = slot.Context.Region(region.Address, region.Bytes);
            return proven;
        }
        catch (ArgumentException wrong)
        {
            throw new ArgumentException($"{name}: {wrong.Message}", name.ToLowerInvariant(), wrong);
        }
    }

    private delegate void Work(StreamSlot slot, CuBlasLayer? prepared, in DeviceForwardRows rows);

    private void Guard(Work work, CuBlasLayer? prepared, in DeviceForwardRows rows)
    {
        _backend.Fault.ThrowIfAny();
        try
        {
            using CudaContext.Scope scope = _slot.Context.Enter();
            work(_slot, prepared, rows);
        }
        catch (Exception failure) when (DeviceFault.IsNative(failure))
        {
            _slot.Probe();
            throw _backend.Fault.Translate(failure);
        }
    }
}
