using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nvrtc;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>What a device failed of, first of all: an error that ends its context is said again by every call after it.</summary>
/// <param name="context">The device's context.</param>
internal sealed class DeviceFault(CudaContext context)
{
    private DeviceFailedException? _first;

    /// <summary>The error that ended the context, whether a forward met it or what only frees; null while the context lives.</summary>
    public DeviceFailedException? First => Volatile.Read(ref _first) ?? (context.Loss is { } loss ? Note(loss) : null);

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
        if (First is { } first)
        {
            return first.InnerException == failure ? first : new DeviceFailedException(first.Message, isFatal: true, failure);
        }

        return failure is CudaException { IsOutOfMemory: true } or CuBlasLtException { IsOutOfMemory: true }
            ? new InsufficientMemoryException($"{context.Device.Name} has no memory left: {failure.Message}", failure)
            : new DeviceFailedException($"{context.Device.Name}: {failure.Message}", isFatal: false, failure);
    }

    private DeviceFailedException Note(CudaException loss)
    {
        var first = new DeviceFailedException(
            $"{context.Device.Name} failed, and with it this engine: {loss.Message}", isFatal: true, loss);
        return Interlocked.CompareExchange(ref _first, first, null) ?? first;
    }
}
