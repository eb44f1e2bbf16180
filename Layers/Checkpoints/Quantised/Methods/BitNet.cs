using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>BitNet (Ma et al. 2024) as transformers writes it: -1, 0 or 1, and a number for the whole matrix.</summary>
/// <remarks>
/// <c>weight</c> U8 <c>[rows / 4, columns]</c>; <c>weight_scale</c> divides, or multiplies where <c>linear_class</c> is
/// <c>autobitlinear</c>.
/// </remarks>
internal sealed class BitNet(bool multiplies)
{
    private const int RowsOfByte = 4;

    // The factor is the matrix's, so that groups have a scale of 2^0.
    private const byte One = 127;

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms(QuantisationConfig config)
    {
        string kind = config.Text("linear_class") ?? "bitlinear";
        return kind is "bitlinear" or "autobitlinear"
            ? [new(".weight", ".weight", ".weight_scale", [".weight_scale"], new BitNet(kind == "autobitlinear").Open)]
            : throw config.Wrong("linear_class", $"{CheckpointText.Quote(kind)}; supported are bitlinear and autobitlinear");
    }

    private QuantisedTensor Open(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".weight").OfType("U8").OfRank(2, 2);
        float scale = module.Get(".weight_scale").ReadScalar();
        int columns = MatrixShape.Checked(codes, codes.Shape[1]);
        var encoding = new GroupedCodes(new GroupedFormat
        {
            Name = "bitnet",
            Bits = 2,
            Groups = 1,
            GroupColumns = columns,
            Scale = ScaleType.E8M0,
            Zero = 1,
            Factor = multiplies ? scale : 1,
            Divisor = multiplies ? 1 : scale,
        });
        return module.Tensor(
            codes,
            [codes.Shape[0] * RowsOfByte, columns],
            encoding,
            new ConstantPart(encoding.ScaleOffset, One),
            new BitNetCodes(codes, encoding.HeaderBytes, columns, codes.Shape[0]));
    }
}
