using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// 8-bit floats with scales that multiply them: of blocks of 128 × 128 as DeepSeek-V3 has them, of rows, or of a whole matrix.
/// </summary>
/// <remarks>
/// The scales are <c>weight_scale_inv</c> (which multiplies despite its name), <c>weight_scale</c>, <c>scale</c> or <c>qscale_weight</c>;
/// of stacks without <c>.weight</c>, <c>NAME_scale_inv</c> or <c>NAME_scale</c>. Scales of activations are left out: rows stay float32.
/// </remarks>
internal sealed class Fp8(QuantisationConfig config)
{
    private static readonly ImmutableArray<string> Activations =
        [".input_scale", ".activation_scale", ".input_scale_ub", ".output_scale", ".qscale_act"];

    private static readonly ImmutableArray<string> Scales = [".weight_scale_inv", ".weight_scale", ".scale", ".qscale_weight"];

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms(QuantisationConfig config)
    {
        var method = new Fp8(config);
        return
        [
            .. Scales.Select(method.OfModules),
            method.OfStacks("_scale_inv"),
            method.OfStacks("_scale"),
        ];
    }

    /// <summary>A matrix of 8-bit floats.</summary>
    public static QuantisedTensor Matrix(QuantisedModule module, TensorPiece codes, MatrixShape shape, ScaleGrid scales)
    {
        bool isE4M3 = codes.Type == "F8_E4M3";
        GroupedFormat format = QuantisedRows.Format(isE4M3 ? "fp8" : "fp8-e5m2", 8) with { Book = isE4M3 ? CodeBook.E4M3 : CodeBook.E5M2 };
        return QuantisedRows.Matrix(module, codes, shape, scales, format);
    }

    private QuantisedForm OfModules(string scales) =>
        new(".weight", ".weight", scales, [scales, .. Activations], module => Open(module, module.Get(".weight"), module.Get(scales)));

    private QuantisedForm OfStacks(string scales) => new(
        "", "", scales, [scales, "_activation_scale", "_input_scale"], module => Open(module, module.Get(""), module.Get(scales)));

    private QuantisedTensor Open(QuantisedModule module, TensorPiece codes, TensorPiece scales)
    {
        codes.OfType("F8_E4M3", "F8_E5M2").OfRank(2, 3);
        var shape = MatrixShape.Of(codes, codes.Shape[^1]);
        bool isNumber = scales.Elements == 1 && scales.Shape.Length < 2;
        ScaleGrid grid = config.Pair("weight_block_size") is (var rows, var columns) && !isNumber
            ? ScaleGrid.Blocks(scales, shape, rows, columns)
            : ScaleGrid.Whole(scales, shape);
        return Matrix(module, codes, shape, grid);
    }
}
