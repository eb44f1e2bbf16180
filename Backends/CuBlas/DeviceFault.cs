using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nvrtc;

namespace NativeFfn.Backends.CuBlas;

/// <summary>What a device failed of, first of all: an error that ends its context is said again by every call after it.</summary>
/// <param name="device">The device's name.</param>
internal sealed class DeviceFault(string device)
{
    private DeviceFailedException? _first;

    /// <summary>The error that ended the context; null while it lives.</summary>
    public DeviceFailedException? First => Volatile.Read(ref _first);

    /// <summary>Fails where the context has ended.</summary>
    /// <exception cref="DeviceFailedException">It has; the message names the first cause.</exception>
    public void ThrowIfAny()
    {
        if (First is { } first)
        {
            throw new DeviceFailedException(first.Message, isFatal: true, first);
        }
    }

    /// <summary>Whether an exception is a native library's, to be told as <see cref="Translate"/> says it.</summary>
    public static bool IsNative(Exception exception) => exception is CudaException or CuBlasLtException or NvrtcException;

    /// <summary>What the caller is told of a native failure.</summary>
    public Exception Translate(Exception failure)
    {
        if (First is { } before)
        {
            return new DeviceFailedException(before.Message, isFatal: true, failure);
        }

        switch (failure)
        {
            case CudaException { IsSticky: true }:
                var first = new DeviceFailedException(
                    $"{device} failed, and with it this engine: {failure.Message}", isFatal: true, failure);
                return Interlocked.CompareExchange(ref _first, first, null) is { } earlier
                    ? new DeviceFailedException(earlier.Message, isFatal: true, failure)
                    : first;
            case CudaException { IsOutOfMemory: true } or CuBlasLtException { IsOutOfMemory: true }:
                return new InsufficientMemoryException($"{device} has no memory left: {failure.Message}", failure);
            default:
                return new DeviceFailedException($"{device}: {failure.Message}", isFatal: false, failure);
        }
    }
}
