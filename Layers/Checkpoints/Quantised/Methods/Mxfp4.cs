using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>MXFP4 of gpt-oss (OCP Microscaling Formats 1.0): 32 4-bit floats share a power of two.</summary>
/// <remarks>
/// <c>NAME_blocks</c> U8 <c>[experts, rows, groups, 16]</c> and <c>NAME_scales</c> U8 <c>[experts, rows, groups]</c> are shown as
/// <c>NAME_blocks</c> <c>[experts, rows, columns]</c>.
/// </remarks>
internal static class Mxfp4
{
    private const int Group = 32;

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms { get; } = [new("_blocks", "_blocks", "_scales", ["_scales"], Open)];

    private static QuantisedTensor Open(QuantisedModule module)
    {
        TensorPiece codes = module.Get("_blocks").OfType("U8").OfRank(3, 4);
        codes.OfShape([.. codes.Shape[..^1], Group / 2]);
        var shape = new MatrixShape([.. codes.Shape[..^3]], codes.Shape[^3], MatrixShape.Checked(codes, checked(codes.Shape[^2] * Group)));
        ScaleGrid scales = ScaleGrid.Columns(module.Get("_scales").OfType("U8"), shape, Group, ScaleType.E8M0);
        return QuantisedRows.Matrix(module, codes, shape, scales, QuantisedRows.Format("mxfp4", 4) with { Book = CodeBook.E2M1 });
    }
}
