using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>Gives device memory; where there is none left, what idle forwards hold is given back first.</summary>
/// <param name="context">The device.</param>
/// <param name="trim">Frees what is not in use.</param>
internal sealed class DeviceAllocator(CudaContext context, Action trim)
{
    /// <summary>Allocates memory, not cleared.</summary>
    /// <param name="bytes">Bytes; positive.</param>
    /// <param name="purpose">What it is for, in the message of a failure.</param>
    /// <exception cref="InsufficientMemoryException">The device does not have that much free, also after giving back what is idle.</exception>
    public DeviceMemory Allocate(long bytes, string purpose)
    {
        try
        {
            return context.Allocate(bytes);
        }
        catch (CudaException first) when (first.IsOutOfMemory)
        {
            trim();
        }

        try
        {
            return context.Allocate(bytes);
        }
        catch (CudaException second) when (second.IsOutOfMemory)
        {
            (long free, long total) = context.MemoryInfo();
            throw new InsufficientMemoryException(
                $"{purpose} need {bytes} bytes of device memory; {free} of {total} are free on {context.Device.Name}, with all that was idle given back.",
                second);
        }
    }
}
