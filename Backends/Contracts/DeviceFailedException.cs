namespace NativeFfn;

/// <summary>A GPU, or a library that computes on it, failed while it computed.</summary>
public sealed class DeviceFailedException : InvalidOperationException
{
    internal DeviceFailedException(string message, bool isFatal, Exception inner)
        : base(message, inner) => IsFatal = isFatal;

    /// <summary>
    /// Whether the engine is lost: everything that is asked of it from now on fails with the first cause. A failed CUDA context stays so
    /// until the process ends.
    /// </summary>
    public bool IsFatal { get; }
}
