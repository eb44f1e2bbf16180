using System.Collections.Immutable;

namespace NativeFfn.Checkpoints;

/// <summary>Where a tensor lies in a safetensors file. Immutable.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The element type as the file spells it: <c>F32</c>, <c>BF16</c>, <c>F16</c> and so on.</param>
/// <param name="Shape">Its dimensions in elements, the outermost first (row-major); empty for a scalar, and any may be zero.</param>
/// <param name="Offset">First byte, counted from the start of the file; any alignment.</param>
/// <param name="ByteLength">Length in bytes.</param>
public sealed record SafetensorsTensor(string Name, string Type, ImmutableArray<long> Shape, long Offset, long ByteLength)
{
    /// <summary>Elements in all: the product of the shape, 1 for a scalar.</summary>
    /// <exception cref="OverflowException">The product passes 64 bits; never so in a tensor of an open file.</exception>
    public long ElementCount => Shape.Aggregate(1L, static (product, dimension) => checked(product * dimension));
}
