using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>NVIDIA's ModelOpt: fp8 with a scale for a matrix, and NVFP4, w = e2m1 · scale of 16 columns · the matrix's own scale.</summary>
internal static class Modelopt
{
    private const int Group = 16;

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms { get; } =
        [new(".weight", ".weight", ".weight_scale", [".weight_scale", ".weight_scale_2", ".input_scale", ".output_scale"], Open)];

    private static QuantisedTensor Open(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".weight").OfType("U8", "F8_E4M3").OfRank(2, 3);
        TensorPiece scales = module.Get(".weight_scale");
        if (codes.Type == "U8")
        {
            float factor = module.Get(".weight_scale_2").ReadScalar();
            return QuantisedRows.Fp4(module, codes, ScaleType.E4M3, Group, scales.OfType("F8_E4M3"), "nvfp4", factor);
        }

        var shape = MatrixShape.Of(codes, codes.Shape[^1]);
        return Fp8.Matrix(module, codes, shape, ScaleGrid.Whole(scales, shape));
    }
}
