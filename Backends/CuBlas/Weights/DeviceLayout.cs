using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>Cuts one piece of device memory into parts on boundaries that every kernel and cuBLASLt are content with.</summary>
internal struct DeviceLayout
{
    /// <summary>Bytes: what cudaMalloc aligns to, and the alignment that cuBLASLt assumes unless told otherwise.</summary>
    public const int Alignment = 256;

    /// <summary>Bytes so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds a part.</summary>
    /// <param name="elements">Elements; 0 gives an empty part.</param>
    /// <param name="elementBytes">Bytes of one.</param>
    /// <exception cref="OverflowException">The whole passes 64 bits.</exception>
    public MemoryPart Add(long elements, int elementBytes)
    {
        var part = new MemoryPart(Bytes, checked(elements * elementBytes));
        Bytes = checked(part.Offset + part.Bytes + Alignment - 1) / Alignment * Alignment;
        return part;
    }
}

/// <summary>A part of a piece of memory.</summary>
/// <param name="Offset">Bytes before it.</param>
/// <param name="Bytes">Its length.</param>
internal readonly record struct MemoryPart(long Offset, long Bytes)
{
    /// <summary>The part in the memory that it was laid out for; nothing where it is empty.</summary>
    public DeviceRegion In(DeviceRegion memory) => Bytes == 0 ? default : memory.Slice(Offset, Bytes);
}
