using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>MLX: w = scale · q + bias of a group of columns, 2 to 8 bits, or the 4- and 8-bit floats of its other modes.</summary>
/// <remarks>
/// <c>weight</c> U32 <c>[rows, columns · bits / 32]</c>, a stream of bits; <c>scales</c> and <c>biases</c> <c>[rows, groups]</c>.
/// </remarks>
internal sealed class Mlx(QuantisationConfig config, string biases)
{
    /// <summary>The forms in which matrices are stored.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="biases">How the name of the biases ends.</param>
    public static ImmutableArray<QuantisedForm> Forms(QuantisationConfig config, string biases = ".biases") =>
        [new(".weight", ".weight", ".scales", [".scales", biases], new Mlx(config, biases).Open)];

    private QuantisedTensor Open(QuantisedModule module)
    {
        // What is said of a module replaces what is said of all: a mode or number that it leaves out is the library's own, not theirs.
        QuantisationConfig? own = config.Object(module.Path);
        QuantisationConfig settings = own ?? config;
        string mode = settings.Text("mode") ?? "affine";
        TensorPiece codes = module.Get(".weight").OfType("U32").OfRank(2, 3);
        TensorPiece scales = module.Get(".scales");
        (int bits, int group) = mode switch
        {
            "affine" => (0, 0),
            "mxfp4" => (4, 32),
            "mxfp8" => (8, 32),
            "nvfp4" => (4, 16),
            _ => throw settings.Wrong("mode", $"{CheckpointText.Quote(mode)}; supported are affine, mxfp4, mxfp8 and nvfp4"),
        };
        bool isAffine = bits == 0;
        bits = settings.Integer("bits", 2, 8, isAffine ? own is null ? null : 4 : bits);
        group = settings.Integer("group_size", 1, 1 << 16, isAffine ? own is null ? null : 64 : group);
        if (bits == 7 || (mode is "mxfp4" or "nvfp4" && bits != 4) || (mode == "mxfp8" && bits != 8))
        {
            throw settings.Wrong("bits", $"{bits}, which mode '{mode}' does not have");
        }

        (long columns, long rest) = Math.DivRem(checked(codes.Shape[^1] * 32), bits);
        if (rest != 0 || columns % group != 0)
        {
            throw codes.Wrong($"has rows of {codes.Shape[^1]} words, which are no whole groups of {group} codes of {bits} bits");
        }

        var shape = MatrixShape.Of(codes, columns);
        GroupedFormat format = QuantisedRows.Format(isAffine ? $"mlx{bits}" : mode, bits);
        if (!isAffine)
        {
            ScaleType type = mode == "nvfp4" ? ScaleType.E4M3 : ScaleType.E8M0;
            format = format with { Book = bits == 4 ? CodeBook.E2M1 : CodeBook.E4M3 };
            return QuantisedRows.Matrix(module, codes, shape, ScaleGrid.Columns(scales.OfType("U8"), shape, group, type), format);
        }

        ScaleGrid grid = ScaleGrid.Columns(scales.OfType("F16", "BF16", "F32"), shape, group);
        TensorPiece minima = module.Get(biases);
        return QuantisedRows.Matrix(
            module, codes, shape, grid, format with { HasMinima = true }, encoding => [grid.Others(minima, encoding.MinimumOffset)]);
    }
}
