using System.Collections.Immutable;
using System.Text.Json;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// bitsandbytes: NF4 and FP4 (Dettmers et al. 2023), w = map[q] · absmax of a block, and 8-bit integers, w = q · SCB / 127 of a row.
/// </summary>
/// <remarks>
/// Blocks of 4-bit codes run on over rows. With double quantisation the blocks' absmax are 8-bit codes themselves. The outliers of
/// activations
/// that the 8-bit form treats apart at run time are no part of the weights.
/// </remarks>
internal static class Bitsandbytes
{
    private const string State = ".weight.quant_state.bitsandbytes__";
    private const int MaxStateBytes = 64 * 1024;
    private const int MaxBlock = 1 << 15;
    private const float LargestCode = 127;

    private static readonly ImmutableArray<string> Scales =
        [".weight.absmax", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map", State + "nf4", State + "fp4"];

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms { get; } =
    [
        new(".weight", ".weight", ".weight.absmax", Scales, OpenFourBits),
        new(".weight", ".weight", ".SCB", [".SCB", ".weight_format"], OpenEightBits),
    ];

    private static QuantisedTensor OpenEightBits(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".weight").OfType("I8").OfRank(2, 2);
        if (module.Find(".weight_format") is { Elements: 1 } stored && stored.OfType("U8").ReadAll<byte>()[0] is var order and not 0)
        {
            throw stored.Wrong($"is {order}, an order of codes made for one kernel; 0, row after row, is read");
        }

        var shape = MatrixShape.Of(codes, codes.Shape[1]);
        ScaleGrid scales = ScaleGrid.Whole(module.Get(".SCB").OfType("F32").OfShape(shape.Rows), shape);
        const byte middle = 128;
        GroupedFormat format = QuantisedRows.Format("bnb-int8", 8) with { Zero = middle, Divisor = LargestCode };
        return QuantisedRows.Matrix(module, codes, shape, scales, format, added: middle);
    }

    private static QuantisedTensor OpenFourBits(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".weight");
        TensorPiece map = module.Get(".weight.quant_map").OfType("F32").OfShape(16);
        TensorPiece absmax = module.Get(".weight.absmax");
        TensorPiece stored = module.Find(State + "nf4") ?? module.Find(State + "fp4") ?? module.Get(State + "nf4");
        QuantisationConfig state = ReadState(stored);
        (int rows, int columns) = state.Pair("shape") ?? throw stored.Wrong("has no 'shape'");
        MatrixShape.Checked(stored, columns);
        int block = state.Integer("blocksize", 1, MaxBlock);
        long weights = (long)rows * columns;
        if ((weights + 1) / 2 != codes.Bytes)
        {
            throw codes.Wrong($"has {codes.Bytes} bytes; [{rows}, {columns}] codes of 4 bits are {(weights + 1) / 2}");
        }

        long blocks = (weights + block - 1) / block;
        if (absmax.Elements != blocks)
        {
            throw absmax.Wrong($"has {absmax.Elements} elements; [{rows}, {columns}] weights are {blocks} blocks of {block}");
        }

        bool hasPhase = columns % block != 0;
        int groups = hasPhase ? ((columns + block - 2) / block) + 1 : columns / block;
        var encoding = new GroupedCodes(new GroupedFormat
        {
            Name = "bnb4",
            Bits = 4,
            Groups = groups,
            GroupColumns = block,
            Scale = ScaleType.Float32,
            Book = CodeBook.OfTable(map.ReadAll<float>()),
            HasPhase = hasPhase,
        });
        return module.Tensor(
            codes,
            [rows, columns],
            encoding,
            new BlockScales(encoding.ScaleOffset, columns, block, groups, blocks, ReadScales(module, absmax, state)),
            new NibbleStream(codes, encoding.HeaderBytes, columns));
    }

    private static Action<long, Span<float>> ReadScales(QuantisedModule module, TensorPiece absmax, QuantisationConfig state)
    {
        if (absmax.OfType("F32", "U8").Type == "F32")
        {
            return (first, scales) => absmax.Read(first * sizeof(float), System.Runtime.InteropServices.MemoryMarshal.AsBytes(scales));
        }

        int block = state.Integer("nested_blocksize", 1, MaxBlock);
        double offset = state.Number("nested_offset", 0);
        float[] map = module.Get(".weight.nested_quant_map").OfType("F32").OfShape(256).ReadAll<float>();
        TensorPiece nested = module.Get(".weight.nested_absmax").OfType("F32").OfShape((absmax.Elements + block - 1) / block);
        float[] outer = nested.ReadAll<float>();
        return (first, scales) =>
        {
            byte[] codes = new byte[scales.Length];
            absmax.Read(first, codes);
            for (int i = 0; i < codes.Length; i++)
            {
                scales[i] = (float)(((double)map[codes[i]] * outer[(first + i) / block]) + offset);
            }
        };
    }

    private static QuantisationConfig ReadState(TensorPiece stored)
    {
        if (stored.OfType("U8").Elements > MaxStateBytes)
        {
            throw stored.Wrong($"has {stored.Elements} bytes; a state may have {MaxStateBytes}");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(stored.ReadAll<byte>());
            CheckpointJson.RequireTextKeys(document.RootElement);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new QuantisationConfig(stored.Path, document.RootElement.Clone())
                : throw stored.Wrong("is no JSON object");
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            throw new CheckpointException(
                $"{stored.Path}: tensor {CheckpointText.Quote(stored.Name)} is no valid JSON. Get the file again.", problem);
        }
    }
}
