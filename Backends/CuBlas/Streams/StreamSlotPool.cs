using NativeFfn.Backends.Storage;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>The slots of an engine: one for each forward that runs, kept for the next, and given up where memory is short.</summary>
/// <remarks>Safe for use by several threads at once; taking and returning take no lock and allocate nothing while a slot is idle.</remarks>
internal sealed class StreamSlotPool : IDisposable
{
    // Callers at a time whose slots are kept; more than that run too, but make slots of their own.
    private const int KeptSlots = 16;

    private readonly DeviceLifetime _device;
    private readonly DeviceFault _fault;
    private readonly ObjectSlots<StreamSlot> _idle;

    public StreamSlotPool(DeviceLifetime device, DeviceFault fault)
    {
        _device = device;
        _fault = fault;
        _idle = new ObjectSlots<StreamSlot>(KeptSlots, () => Make(null));
        Memory = new DeviceAllocator(device.Context, Trim);
    }

    /// <summary>Gives memory, at the cost of idle slots where there is none left.</summary>
    public DeviceAllocator Memory { get; }

    /// <summary>A slot that nobody else uses.</summary>
    /// <exception cref="DeviceFailedException">The device has failed, or does now.</exception>
    /// <exception cref="InsufficientMemoryException">There is no memory for another slot.</exception>
    public StreamSlot Take()
    {
        _fault.ThrowIfAny();
        try
        {
            return _idle.Take();
        }
        catch (Exception failure) when (DeviceFault.IsNative(failure))
        {
            throw _fault.Translate(failure);
        }
    }

    /// <summary>A slot that is never pooled.</summary>
    /// <param name="stream">The application's stream to work in; null for one of its own.</param>
    /// <exception cref="InsufficientMemoryException">There is no memory for another slot.</exception>
    public StreamSlot Make(nint? stream)
    {
        CudaContext context = _device.Context;
        return Memory.Make(
            () => new StreamSlot(_device, Memory, stream is { } given ? context.AdoptStream(given) : context.CreateStream()),
            "Another forward at the same time needs a stream and a handle of cuBLASLt");
    }

    /// <summary>Gives a slot back on which nothing runs.</summary>
    public void Return(StreamSlot slot) => _idle.Return(slot);

    /// <summary>Takes a slot back from a forward that failed, if nothing runs on it, and gives it up otherwise.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="failure">What it failed of, which the caller throws on where this returns.</param>
    /// <exception cref="DeviceFailedException">What a native failure is to the caller.</exception>
    /// <exception cref="InsufficientMemoryException">Likewise, where memory ran out.</exception>
    public void Return(StreamSlot slot, Exception failure)
    {
        bool isNative = DeviceFault.IsNative(failure);
        if (!isNative && failure is not InsufficientMemoryException && slot.IsIdle)
        {
            // A token that cannot be routed, or a cancellation: the slot is as good as before. Where memory is short, its own is given back.
            Return(slot);
            return;
        }

        Abandon(slot);
        if (isNative)
        {
            throw _fault.Translate(failure);
        }
    }

    /// <summary>Gives up a slot on which something failed; what was queued before still uses its memory, and is waited for.</summary>
    public static void Abandon(StreamSlot slot)
    {
        slot.Drain();
        slot.Dispose();
    }

    /// <summary>Ends the idle slots; those in use follow when they are given back.</summary>
    public void Dispose() => _idle.Dispose();

    private void Trim()
    {
        while (_idle.TryTake() is { } slot)
        {
            slot.Dispose();
        }
    }
}
