using System.Collections.Immutable;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// GPTQ (Frantar et al. 2022) as AutoGPTQ, GPTQModel and auto-round write it: w = scale · (q - zero), packed along the columns.
/// </summary>
/// <remarks>
/// <c>qweight</c> <c>[columns · bits / 32, rows]</c>, <c>qzeros</c> <c>[groups, rows · bits / 32]</c>, <c>scales</c> <c>[groups, rows]</c>,
/// <c>g_idx</c> <c>[columns]</c>. Version 1 stores zero - 1, modulo 2^bits; version 2 the zero point itself. GPTQModel takes the 1s from a
/// whole word at once, so that a zero point of 0 borrows from the next one, and gives them back in the same way.
/// </remarks>
internal sealed class Gptq(QuantisationConfig config)
{
    private const int WordBits = 32;

    /// <summary>The forms in which matrices are stored.</summary>
    public static ImmutableArray<QuantisedForm> Forms(QuantisationConfig config)
    {
        string format = config.Text("checkpoint_format") ?? config.Text("format") ?? "gptq";
        if (format is not ("gptq" or "gptq_v2") || config.Flag("is_marlin_format", false))
        {
            string name = CheckpointText.Quote(format is "gptq" or "gptq_v2" ? "marlin" : format);
            throw config.Wrong(
                "checkpoint_format", $"{name}, an order of codes made for one kernel; take the checkpoint in the format 'gptq'");
        }

        return [new(".qweight", ".weight", ".qweight", [".qzeros", ".scales", ".g_idx"], new Gptq(config).Open)];
    }

    private QuantisedTensor Open(QuantisedModule module)
    {
        TensorPiece codes = module.Get(".qweight").OfType("I32", "U32").OfRank(2, 2);
        TensorPiece scales = module.Get(".scales").OfRank(2, 2);
        TensorPiece zeros = module.Get(".qzeros").OfType("I32", "U32");
        TensorPiece? index = module.Find(".g_idx");
        int bits = Setting(module, "bits", 2, 8, null);
        if (bits is not (2 or 3 or 4 or 8))
        {
            throw config.Wrong("bits", $"{bits}; GPTQ has 2, 3, 4 or 8");
        }

        int columns = MatrixShape.Checked(codes, index?.Elements ?? codes.Shape[0] * WordBits / bits);
        if (codes.Shape[0] != Words(columns, bits))
        {
            throw codes.Wrong($"has {codes.Shape[0]} rows of words; {columns} columns of {bits} bits make {Words(columns, bits)}");
        }

        var shape = new MatrixShape([], codes.Shape[1], columns);
        int rows = shape.CheckedRows(codes);
        int size = Setting(module, "group_size", -1, int.MaxValue, -1);
        size = size <= 0 ? columns : Math.Min(size, columns);
        int groups = (columns + size - 1) / size;
        scales.OfType("F16", "BF16", "F32").OfShape(groups, rows);
        zeros.OfShape(groups, Words(rows, bits));
        var encoding = new GroupedCodes(new GroupedFormat
        {
            Name = $"gptq{bits}",
            Bits = bits,
            Groups = groups,
            GroupColumns = size,
            Scale = scales.ScaleType(),
            HasZeros = true,
            GroupOf = GroupIndex.Read(index, columns, groups, size),
        });
        return module.Tensor(
            codes,
            shape.Dimensions,
            encoding,
            Scales(scales, encoding, rows),
            new ZerosAlongRows(zeros, encoding.ZeroOffset, groups, bits, AddedToZeros(zeros, bits, rows), isAwq: false)
            {
                AddsToWords = WordBits % bits == 0 && IsOfGptqModel(),
            },
            new TransposedPart<uint>(codes, encoding.HeaderBytes, (int)((((long)columns * bits) + 7) / 8), rows));
    }

    /// <summary>Scales <c>[groups, rows]</c>.</summary>
    public static RowPart Scales(TensorPiece scales, GroupedCodes encoding, int rows)
    {
        int bytes = encoding.Format.Groups * encoding.Format.Scale.Bytes();
        return encoding.Format.Scale == ScaleType.Float32
            ? new TransposedPart<uint>(scales, encoding.ScaleOffset, bytes, rows)
            : new TransposedPart<ushort>(scales, encoding.ScaleOffset, bytes, rows);
    }

    private static long Words(long numbers, int bits) => ((numbers * bits) + WordBits - 1) / WordBits;

    // Some writers say version 1 and mean 2: symmetric codes have their zero point in the middle, which then is stored as it is.
    private int AddedToZeros(TensorPiece zeros, int bits, int rows)
    {
        bool isSecond = (config.Text("checkpoint_format") ?? config.Text("format")) == "gptq_v2";
        if (!config.Flag("sym", true) || bits == 3)
        {
            return isSecond ? 0 : 1;
        }

        int middle = 1 << (bits - 1);
        return HasOnly(zeros, middle, bits, rows) ? 0 : HasOnly(zeros, middle - 1, bits, rows) ? 1 : isSecond ? 0 : 1;
    }

    private bool IsOfGptqModel() => config.Object("meta")?.Texts("quantizer")
        .Any(static writer => writer.StartsWith("gptqmodel", StringComparison.OrdinalIgnoreCase)) ?? false;

    private static bool HasOnly(TensorPiece zeros, int zero, int bits, int rows)
    {
        uint word = 0;
        for (int bit = 0; bit < WordBits; bit += bits)
        {
            word |= (uint)zero << bit;
        }

        int perWord = WordBits / bits;
        uint last = rows % perWord == 0 ? uint.MaxValue : (1u << (rows % perWord * bits)) - 1;
        int width = (int)zeros.Shape[1];
        uint[] words = zeros.ReadAll<uint>();
        for (int i = 0; i < words.Length; i++)
        {
            if (((words[i] ^ word) & (i % width == width - 1 ? last : uint.MaxValue)) != 0)
            {
                return false;
            }
        }

        return true;
    }

    // GPTQModel's "dynamic" has patterns of modules that are quantised otherwise, of which those that begin with "-:" are not at all;
    // auto-round's "extra_config" has their paths.
    private int Setting(QuantisedModule module, string key, int least, int most, int? absent)
    {
        if (config.Object("extra_config")?.Object(module.Path) is { } own && own.Has(key))
        {
            return own.Integer(key, least, most);
        }

        foreach ((string pattern, QuantisationConfig changes) in config.Object("dynamic")?.Objects() ?? [])
        {
            string expression = pattern.StartsWith("+:", StringComparison.Ordinal) ? pattern[2..] : pattern;
            if (!expression.StartsWith("-:", StringComparison.Ordinal) && changes.Has(key) && config.Matches(expression, module.Path))
            {
                return changes.Integer(key, least, most);
            }
        }

        return config.Integer(key, least, most, absent);
    }
}
