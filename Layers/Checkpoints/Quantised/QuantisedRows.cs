using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>Makes matrices whose codes are stored row by row, the lowest bits first, as most methods have them.</summary>
internal static class QuantisedRows
{
    /// <summary>A matrix of such codes and of scales.</summary>
    /// <param name="module">The module.</param>
    /// <param name="codes">The codes.</param>
    /// <param name="shape">The shape of the matrix.</param>
    /// <param name="scales">The scales.</param>
    /// <param name="format">What the codes mean; groups and scales are filled in here.</param>
    /// <param name="more">Further parts of a row by its encoding.</param>
    /// <param name="added">Added to each byte of codes.</param>
    public static QuantisedTensor Matrix(
        QuantisedModule module, TensorPiece codes, MatrixShape shape, ScaleGrid scales, GroupedFormat format,
        Func<GroupedCodes, ImmutableArray<RowPart>>? more = null, byte added = 0)
    {
        var encoding = new GroupedCodes(format with { Groups = scales.Groups, GroupColumns = scales.GroupColumns, Scale = scales.Type });
        (int bytes, int stored) = RowBytes(codes, shape, format.Bits);
        return module.Tensor(
            codes,
            shape.Dimensions,
            encoding,
            [
                scales.Part(encoding.ScaleOffset),
                .. more?.Invoke(encoding) ?? [],
                new RowMajorPart(codes, encoding.HeaderBytes, bytes, stored) { Added = added },
            ]);
    }

    /// <summary>The format of codes without what scales say of it.</summary>
    public static GroupedFormat Format(string name, int bits) =>
        new() { Name = name, Bits = bits, Groups = 1, GroupColumns = 1, Scale = ScaleType.Float32 };

    /// <summary>4-bit floats, two to a byte, the low half first, in U8 <c>[rows, columns / 2]</c>.</summary>
    public static QuantisedTensor Fp4(
        QuantisedModule module, TensorPiece codes, ScaleType type, int group, TensorPiece scales, string name, float factor = 1,
        float divisor = 1)
    {
        var shape = MatrixShape.Of(codes.OfType("U8").OfRank(2, 3), codes.Shape[^1] * 2);
        GroupedFormat format = Format(name, 4) with { Book = CodeBook.E2M1, Factor = factor, Divisor = divisor };
        return Matrix(module, codes, shape, ScaleGrid.Columns(scales.OfType("U8", type == ScaleType.E8M0
            ? "F8_E8M0"
            : "F8_E4M3"), shape, group, type), format);
    }

    // Rows may be padded to whole words.
    private static (int Bytes, int Stored) RowBytes(TensorPiece codes, MatrixShape shape, int bits)
    {
        long rows = shape.Matrices * shape.Rows;
        (long stored, long rest) = Math.DivRem(codes.Bytes, rows);
        int needed = (int)((((long)shape.Columns * bits) + 7) / 8);
        return rest == 0 && stored >= needed && stored - needed < sizeof(uint)
            ? (needed, (int)stored)
            : throw codes.Wrong($"has {codes.Bytes} bytes, which are no {rows} rows of {shape.Columns} codes of {bits} bits");
    }
}
