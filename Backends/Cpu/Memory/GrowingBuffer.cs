namespace NativeFfn.Backends.Cpu.Memory;

/// <summary>Native memory that is reused and grows where it was never so large; what it held is lost then.</summary>
internal sealed unsafe class GrowingBuffer : IDisposable
{
    private NativeBuffer? _memory;

    /// <summary>Room for floats.</summary>
    /// <param name="elements">Floats.</param>
    /// <param name="purpose">What they are for, in the message of a failure.</param>
    /// <param name="spec">The layer that they are for; null where they are for any.</param>
    public float* Reserve(long elements, string purpose, FfnSpec? spec = null)
    {
        if (_memory is null || _memory.Elements < elements)
        {
            _memory?.Dispose();
            _memory = null;
            _memory = new NativeBuffer(elements, spec is null ? purpose : $"{purpose} of {spec}");
        }

        return _memory.Pointer;
    }

    /// <inheritdoc/>
    public void Dispose() => _memory?.Dispose();
}
