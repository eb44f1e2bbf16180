using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>Gives what takes memory; where there is none left, what idle forwards hold is given back first.</summary>
/// <param name="context">The device.</param>
/// <param name="trim">Frees what is not in use.</param>
internal sealed class DeviceAllocator(CudaContext context, Action trim)
{
    /// <summary>Allocates device memory, not cleared.</summary>
    /// <param name="bytes">Bytes; positive.</param>
    /// <param name="purpose">What it is for, in the message of a failure.</param>
    /// <exception cref="InsufficientMemoryException">The device does not have that much free, also after giving back what is idle.</exception>
    public DeviceMemory Allocate(long bytes, string purpose) =>
        Make(() => context.Allocate(bytes), $"{purpose} need {bytes} bytes of device memory");

    /// <summary>Allocates memory of the host that the device reaches by itself, not cleared.</summary>
    /// <inheritdoc cref="Allocate" path="/param"/>
    /// <exception cref="InsufficientMemoryException">It cannot be had, also after giving back what is idle.</exception>
    public PinnedMemory AllocatePinned(long bytes, string purpose) =>
        Make(() => context.AllocatePinned(bytes), $"{purpose} need {bytes} bytes of pinned memory");

    /// <summary>Makes anything, once more where memory runs out.</summary>
    /// <param name="make">Makes it.</param>
    /// <param name="need">The beginning of the message of a failure: what needs how much.</param>
    /// <exception cref="InsufficientMemoryException">There is no memory for it, also after giving back what is idle.</exception>
    public T Make<T>(Func<T> make, string need)
    {
        try
        {
            return make();
        }
        catch (Exception first) when (IsOutOfMemory(first))
        {
            trim();
        }

        try
        {
            return make();
        }
        catch (Exception second) when (IsOutOfMemory(second))
        {
            (long free, long total) = context.MemoryInfo();
            throw new InsufficientMemoryException(
                $"{need}; {free} of {total} are free on {context.Device.Name}, with all that was idle given back.", second);
        }
    }

    private static bool IsOutOfMemory(Exception failure) =>
        failure is CudaException { IsOutOfMemory: true } or CuBlasLtException { IsOutOfMemory: true };
}
