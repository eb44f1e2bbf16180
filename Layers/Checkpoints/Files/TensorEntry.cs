using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files;

/// <summary>A tensor of a file: what it is and where it lies. Immutable.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type of its elements as the format spells it, such as <c>BF16</c>.</param>
/// <param name="Encoding">How its rows are read; null where weights of that type are not.</param>
/// <param name="Shape">Its dimensions in elements, the outermost first (row-major); empty for a scalar, and any may be zero.</param>
/// <param name="Offset">First byte, counted from the start of the file; any alignment.</param>
/// <param name="ByteLength">Length in the file, in bytes.</param>
internal sealed record TensorEntry(
    string Name, string Type, WeightEncoding? Encoding, ImmutableArray<long> Shape, long Offset, long ByteLength)
{
    /// <summary>Elements of a row: the last dimension, 1 for a scalar.</summary>
    public long Columns => Shape.IsEmpty ? 1 : Shape[^1];

    /// <summary>Rows: the product of all dimensions but the last.</summary>
    public long Rows => Product(Shape.AsSpan()[..Math.Max(Shape.Length - 1, 0)]);

    /// <summary>Elements in all: the product of the shape, 1 for a scalar.</summary>
    public long ElementCount => Product(Shape.AsSpan());

    /// <summary>The same elements as rows of one; for encodings whose blocks are one weight, any run of elements is then whole rows.</summary>
    public TensorEntry AsColumn() => this with { Shape = [ElementCount, 1] };

    /// <summary>The same elements as rows of one block each; for encodings without headers.</summary>
    public TensorEntry AsBlocks() => this with { Shape = [Rows * Encoding!.Blocks(checked((int)Columns)), Encoding.BlockColumns] };

    /// <summary>The product of dimensions.</summary>
    /// <exception cref="OverflowException">It passes 64 bits, a zero among them or not; never so in a tensor of an open file.</exception>
    public static long Product(ReadOnlySpan<long> dimensions)
    {
        long product = 1;
        foreach (long dimension in dimensions)
        {
            product = checked(product * dimension);
        }

        return product;
    }
}
