using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// compressed-tensors, as llm-compressor writes it: integers of 4 and 8 bits, fp8, NVFP4 and MXFP4, by groups of modules.
/// </summary>
/// <remarks>Which modules are quantised, their tensors say; how, the last of the configuration's groups that names the module.</remarks>
internal sealed class CompressedTensors(QuantisationConfig config)
{
    private const string Pattern = "re:";

    private static readonly ImmutableArray<string> Others =
    [
        ".weight_scale", ".weight_zero_point", ".weight_g_idx", ".weight_shape", ".weight_global_scale",
        ".input_scale", ".input_zero_point", ".input_global_scale", ".output_scale", ".output_zero_point",
    ];

    private static readonly ImmutableArray<string> Known =
    [
        "pack-quantized", "int-quantized", "naive-quantized", "float-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized",
        "mixed-precision", "dense",
    ];

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms(QuantisationConfig config)
    {
        RequireKnown(config);
        if (config.Object("sparsity_config")?.Text("format") is { } sparsity and not "dense")
        {
            throw config.Wrong(
                "sparsity_config", $"{CheckpointText.Quote(sparsity)}, sparse weights, which are not read; take a checkpoint without");
        }

        if (config.Object("transform_config")?.Object("config_groups") is not null)
        {
            throw config.Wrong("transform_config", "there: it rotates what goes into a layer, which is not run; take a checkpoint without");
        }

        var method = new CompressedTensors(config);
        return
        [
            new(".weight_packed", ".weight", ".weight_packed", Others, method.OpenPacked),
            new(".weight", ".weight", ".weight_scale", Others, method.OpenPlain),
        ];
    }

    private static void RequireKnown(QuantisationConfig scheme)
    {
        if (scheme.Text("format") is { } format && !Known.Contains(format))
        {
            throw scheme.Wrong("format", $"{CheckpointText.Quote(format)}; supported are {string.Join(", ", Known)}");
        }
    }

    private QuantisedTensor OpenPacked(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".weight_packed").OfType("I32", "U8").OfRank(2, 3);
        TensorPiece scales = module.Get(".weight_scale");
        if (codes.Type == "I32")
        {
            return OpenWords(module, codes, scales);
        }

        QuantisationConfig weights = WeightsOf(module);
        if (scales.Type != "F8_E4M3")
        {
            return QuantisedRows.Fp4(module, codes, ScaleType.E8M0, weights.Integer("group_size", 1, int.MaxValue, 32), scales, "mxfp4");
        }

        float global = module.Get(".weight_global_scale").ReadScalar();
        int group = weights.Integer("group_size", 1, int.MaxValue, 16);
        return QuantisedRows.Fp4(module, codes, ScaleType.E4M3, group, scales, "nvfp4", divisor: global);
    }

    private QuantisedTensor OpenWords(QuantisedModule module, TensorPiece codes, TensorPiece scales)
    {
        QuantisationConfig weights = WeightsOf(module);
        int bits = weights.Integer("num_bits", 1, 8);
        int perWord = 32 / bits;
        if (perWord * bits != 32)
        {
            throw weights.Wrong("num_bits", $"{bits}; packed codes of 1, 2, 4 and 8 bits are read");
        }

        MatrixShape shape = Unpacked(codes.OfRank(2, 2), module.Find(".weight_shape"), perWord);
        ScaleGrid grid = Grid(weights, scales, shape);
        TensorPiece? zeros = Zeros(module, weights);
        GroupedFormat format = QuantisedRows.Format($"int{bits}", bits) with
        {
            Zero = 1 << (bits - 1),
            HasZeros = zeros is not null,
            GroupOf = GroupIndex.Read(module.Find(".weight_g_idx"), shape.Columns, grid.Groups, grid.GroupColumns),
        };
        return QuantisedRows.Matrix(module, codes, shape, grid, format, encoding => zeros is null
            ? []
            : [ZeroPart(zeros, grid, encoding, shape, bits)]);
    }

    private static RowPart ZeroPart(TensorPiece zeros, ScaleGrid grid, GroupedCodes encoding, MatrixShape shape, int bits)
    {
        if (zeros.OfType("I32", "I8").Type == "I8")
        {
            return grid.Bytes(zeros, encoding.ZeroOffset, (byte)(1 << (bits - 1)));
        }

        int perWord = 32 / bits;
        zeros.OfShape((shape.Rows + perWord - 1) / perWord, grid.Groups);
        return grid.GroupRows == 1
            ? new ZerosInWords(zeros, encoding.ZeroOffset, grid.Groups, bits, downRows: true)
            : throw zeros.Wrong("has a zero point for each row, but its scales have none of their own");
    }

    private QuantisedTensor OpenPlain(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".weight").OfType("I8", "F8_E4M3", "F8_E5M2").OfRank(2, 3);
        QuantisationConfig weights = WeightsOf(module);
        var shape = MatrixShape.Of(codes, codes.Shape[^1]);
        ScaleGrid grid = Grid(weights, module.Get(".weight_scale"), shape);
        if (codes.Type != "I8")
        {
            return Fp8.Matrix(module, codes, shape, grid);
        }

        const byte middle = 128;
        TensorPiece? zeros = Zeros(module, weights);
        GroupedFormat format = QuantisedRows.Format("int8", 8) with { Zero = middle, HasZeros = zeros is not null };
        return QuantisedRows.Matrix(
            module, codes, shape, grid, format,
            encoding => zeros is null ? [] : [grid.Bytes(zeros.OfType("I8"), encoding.ZeroOffset, middle)], middle);
    }

    private static MatrixShape Unpacked(TensorPiece codes, TensorPiece? stored, int perWord)
    {
        if (stored is null)
        {
            return MatrixShape.Of(codes, codes.Shape[1] * perWord);
        }

        Span<long> shape = stackalloc long[2];
        stored.OfType("I64").OfShape(2).Read(0, System.Runtime.InteropServices.MemoryMarshal.AsBytes(shape));
        int columns = MatrixShape.Checked(stored, shape[1]);
        return shape[0] == codes.Shape[0] && ((long)columns + perWord - 1) / perWord == codes.Shape[1]
            ? MatrixShape.Of(codes, columns)
            : throw stored.Wrong($"says {CheckpointText.Shape(shape)}; {CheckpointText.Quote(codes.Name)} has " +
                $"{CheckpointText.Shape(codes.Shape.AsSpan())} words of {perWord} codes");
    }

    private static ScaleGrid Grid(QuantisationConfig weights, TensorPiece scales, MatrixShape shape)
    {
        string? strategy = weights.Text("strategy");
        if (strategy == "block" || weights.Has("block_structure"))
        {
            (int rows, int columns) = weights.Pair("block_structure") ?? throw weights.Wrong("block_structure", "absent; blocks need it");
            return ScaleGrid.Blocks(scales, shape, rows, columns);
        }

        int group = weights.Integer("group_size", -1, int.MaxValue, -1);
        return group > 0 && strategy is null or "group" or "tensor_group"
            ? ScaleGrid.Columns(scales, shape, group)
            : ScaleGrid.Whole(scales, shape);
    }

    private static TensorPiece? Zeros(QuantisedModule module, QuantisationConfig weights) => module.Find(".weight_zero_point")
        ?? (weights.Flag("symmetric", true) ? null : module.Get(".weight_zero_point"));

    // A module's own name counts more than its class, which for a feed-forward network is Linear.
    private QuantisationConfig WeightsOf(QuantisedModule module)
    {
        (QuantisationConfig? named, QuantisationConfig? ofClass, QuantisationConfig? any, int count) = (null, null, null, 0);
        foreach ((_, QuantisationConfig group) in config.Object("config_groups")?.Objects() ?? [])
        {
            count++;
            any = group;
            foreach (string target in group.Texts("targets"))
            {
                bool isPattern = target.StartsWith(Pattern, StringComparison.Ordinal);
                if (isPattern ? config.Matches(target[Pattern.Length..], module.Path) : IsPath(target, module.Path))
                {
                    named = group;
                }
                else if (target == "Linear")
                {
                    ofClass = group;
                }
            }
        }

        QuantisationConfig found = named ?? ofClass ?? (count == 1 ? any! : throw config.Wrong(
            "config_groups", $"{count} groups, none of which names {CheckpointText.Quote(module.Path)}, whose weights are quantised"));
        RequireKnown(found);
        return found.Object("weights") ?? throw config.Wrong(
            "config_groups", $"without 'weights' for {CheckpointText.Quote(module.Path)}, whose weights are quantised");
    }

    private static bool IsPath(string target, string path) =>
        path == target || path.EndsWith("." + target, StringComparison.Ordinal) || target.EndsWith("." + path, StringComparison.Ordinal);
}
