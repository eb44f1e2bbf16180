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
    /// <returns>The part's place in the whole.</returns>
    /// <exception cref="OverflowException">The whole passes 64 bits.</exception>
    public (long Offset, long Bytes) Add(long elements, int elementBytes)
    {
        long bytes = checked(elements * elementBytes);
        long offset = Bytes;
        Bytes = checked(offset + bytes + Alignment - 1) / Alignment * Alignment;
        return (offset, bytes);
    }

    /// <summary>A part of the memory that a layout was made for; nothing where the part is empty.</summary>
    /// <param name="memory">The memory, from the layout's start.</param>
    /// <param name="place">What <see cref="Add"/> gave.</param>
    public static DeviceRegion Part(DeviceRegion memory, (long Offset, long Bytes) place) =>
        place.Bytes == 0 ? default : memory.Slice(place.Offset, place.Bytes);
}
