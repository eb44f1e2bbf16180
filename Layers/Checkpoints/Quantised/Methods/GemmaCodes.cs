using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>Gemma's own quantised checkpoints: integers of 2, 4 or 8 bits with a scale for each row.</summary>
/// <remarks>
/// <c>weight</c> U8 of 4 or 2 bits a code, the lowest first, less 8 or 2, or I8; <c>weight_scale</c> F32 <c>[rows, 1]</c>. Scales of
/// activations are left out: rows stay float32.
/// </remarks>
internal sealed class GemmaCodes(QuantisationConfig config)
{
    private static readonly ImmutableArray<string> Scales = [".weight_scale", ".input_activation_scale", ".output_activation_scale"];

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms(QuantisationConfig config) =>
        [new(".weight", ".weight", ".weight_scale", Scales, new GemmaCodes(config).Open)];

    private QuantisedTensor Open(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".weight").OfType("U8", "I8").OfRank(2, 2);
        TensorPiece scales = module.Get(".weight_scale");
        int bits = codes.Type == "I8" ? 8 : Bits(module);
        var shape = MatrixShape.Of(codes, checked(codes.Shape[1] * (8 / bits)));
        byte middle = (byte)(1 << (bits - 1));
        return QuantisedRows.Matrix(
            module, codes, shape, ScaleGrid.Whole(scales, shape), QuantisedRows.Format($"int{bits}", bits) with { Zero = middle },
            added: codes.Type == "I8" ? middle : (byte)0);
    }

    private int Bits(QuantisedModule module)
    {
        int bits = config.Integer("num_bits", 2, 8, 4);
        foreach ((string pattern, QuantisationConfig changes) in config.Object("module_quant_configs")?.Objects() ?? [])
        {
            bits = config.Matches(pattern, module.Path) ? changes.Integer("num_bits", 2, 8, bits) : bits;
        }

        return bits is 2 or 4 ? bits : throw config.Wrong(
            "num_bits", $"{bits} for {CheckpointText.Quote(module.Path)}; codes in U8 have 2 or 4");
    }
}
