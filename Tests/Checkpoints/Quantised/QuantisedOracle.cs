using System.Text.Json;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Weights of quantised matrices by the formulas of their formats, an element at a time, in float64 and rounded once.</summary>
internal static class QuantisedOracle
{
    private static readonly double[] E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];

    // Row of a word, by its nibble, in AWQ.
    private static readonly int[] AwqOrder = [0, 2, 4, 6, 1, 3, 5, 7];

    /// <summary>A matrix, or a stack of them as one.</summary>
    /// <param name="t">The tensors.</param>
    /// <param name="p">The module.</param>
    /// <param name="method">The name of the layout.</param>
    /// <param name="s">The method's own settings.</param>
    public static (int Rows, int Columns, float[] Weights) Matrix(RawTensors t, string p, string method, JsonElement s) => method switch
    {
        "gptq" => Gptq(t, p, s),
        "awq" => Awq(t, p, Integer(s, "group_size")),
        "awq-gemv" => AwqGemv(t, p, Integer(s, "group_size")),
        "ct-pack" => CtPack(t, p, Integer(s, "num_bits"), Integer(s, "group_size")),
        "int8" => Bytes(t, p + ".weight", p + ".weight_scale", 1, int.MaxValue, (n, k, at) => (sbyte)t.Byte(p + ".weight", at) - CtZero(t, p, n)),
        "fp8" => Bytes(t, p + ".weight", Has(t, p + ".weight_scale_inv", p + ".weight_scale"), Block(s, 0), Block(s, 1), (n, k, at) => t.Number(p + ".weight", at)),
        "bnb8" => Bytes(t, p + ".weight", p + ".SCB", 1, int.MaxValue, (n, k, at) => (sbyte)t.Byte(p + ".weight", at) / 127.0),
        "bnb4" => Bnb4(t, p),
        "mlx" => Mlx(t, p, Integer(s, "bits"), Integer(s, "group_size"), null),
        "mlx-mxfp4" => Mlx(t, p, 4, 32, "F8_E8M0"),
        "mlx-mxfp8" => Mlx(t, p, 8, 32, "F8_E8M0"),
        "mlx-nvfp4" => Mlx(t, p, 4, 16, "F8_E4M3"),
        "mxfp4" => Fp4(t, p + "_blocks", p + "_scales", 32, "F8_E8M0", 1),
        "ct-mxfp4" => Fp4(t, p + ".weight_packed", p + ".weight_scale", 32, "F8_E8M0", 1),
        "ct-nvfp4" => Fp4(t, p + ".weight_packed", p + ".weight_scale", 16, "F8_E4M3", 1 / t.Number(p + ".weight_global_scale", 0)),
        "nvfp4" => Fp4(t, p + ".weight", p + ".weight_scale", 16, "F8_E4M3", t.Number(p + ".weight_scale_2", 0)),
        "bitnet" => Fill(4 * t.Shape(p + ".weight")[0], t.Shape(p + ".weight")[1], (n, k) => BitNet(t, p, n, k)),
        _ => throw new ArgumentException(method),
    };

    private static (int, int, float[]) Gptq(RawTensors t, string p, JsonElement s)
    {
        int bits = Integer(s, "bits");
        long rows = t.Shape(p + ".qweight")[1];
        long columns = t.ContainsKey(p + ".g_idx") ? t.Shape(p + ".g_idx")[0] : t.Shape(p + ".qweight")[0] * 32 / bits;
        long zeroWords = t.Shape(p + ".qzeros")[1];
        long size = Integer(s, "group_size") > 0 ? Integer(s, "group_size") : columns;
        long added = s.GetProperty("checkpoint_format").GetString() == "gptq_v2" ? 0 : 1;
        return Fill(rows, columns, (n, k) =>
        {
            long group = t.ContainsKey(p + ".g_idx") ? t.Word(p + ".g_idx", k) : k / size;
            long code = Bits(i => t.Word(p + ".qweight", (i * rows) + n), k * bits, bits);
            long zero = (Bits(i => t.Word(p + ".qzeros", (group * zeroWords) + i), n * bits, bits) + added) % (1 << bits);
            return t.Number(p + ".scales", (group * rows) + n) * (code - zero);
        });
    }

    private static (int, int, float[]) Awq(RawTensors t, string p, int size)
    {
        long words = t.Shape(p + ".qweight")[1];
        long columns = t.Shape(p + ".qweight")[0];
        size = size > 0 ? size : (int)columns;
        return Fill(words * 8, columns, (n, k) =>
        {
            int nibble = Array.IndexOf(AwqOrder, (int)(n % 8));
            long code = (t.Word(p + ".qweight", (k * words) + (n / 8)) >> (4 * nibble)) & 15;
            long zero = (t.Word(p + ".qzeros", (k / size * words) + (n / 8)) >> (4 * nibble)) & 15;
            return t.Number(p + ".scales", (k / size * words * 8) + n) * (code - zero);
        });
    }

    private static (int, int, float[]) AwqGemv(RawTensors t, string p, int size)
    {
        long words = t.Shape(p + ".qweight")[1];
        long zeroWords = t.Shape(p + ".qzeros")[1];
        return Fill(t.Shape(p + ".qweight")[0], words * 8, (n, k) =>
        {
            long zero = Bits(i => t.Word(p + ".qzeros", (n * zeroWords) + i), k / size * 4, 4);
            return t.Number(p + ".scales", (n * zeroWords * 8) + (k / size)) * (Bits(i => t.Word(p + ".qweight", (n * words) + i), k * 4, 4) - zero);
        });
    }

    private static (int, int, float[]) CtPack(RawTensors t, string p, int bits, int size)
    {
        long words = t.Shape(p + ".weight_packed")[1];
        long groups = t.Shape(p + ".weight_scale")[1];
        long middle = 1 << (bits - 1);
        return Fill(t.Shape(p + ".weight_packed")[0], t.Word(p + ".weight_shape", 2), (n, k) =>
        {
            long group = t.ContainsKey(p + ".weight_g_idx") ? t.Word(p + ".weight_g_idx", k) : size > 0 ? k / size : 0;
            long zero = t.ContainsKey(p + ".weight_zero_point")
                ? Bits(i => t.Word(p + ".weight_zero_point", (i * groups) + group), n * bits, bits) - middle
                : 0;
            long code = Bits(i => t.Word(p + ".weight_packed", (n * words) + i), k * bits, bits) - middle;
            return (code - zero) * t.Number(p + ".weight_scale", (n * groups) + group);
        });
    }

    private static double CtZero(RawTensors t, string p, long row) =>
        t.ContainsKey(p + ".weight_zero_point") ? (sbyte)t.Byte(p + ".weight_zero_point", row) : 0;

    // Scales of blocks, of rows or of all, by how many there are.
    private static (int, int, float[]) Bytes(
        RawTensors t, string weight, string scale, int blockRows, int blockColumns, Func<long, long, long, double> code)
    {
        long[] shape = t.Shape(weight);
        (long matrices, long rows, long columns) = (shape.Length == 3 ? shape[0] : 1, shape[^2], shape[^1]);
        long scales = t.Shape(scale).Aggregate(1L, static (a, b) => a * b);
        long across = blockColumns < int.MaxValue ? (columns + blockColumns - 1) / blockColumns : 1;
        long down = (rows + blockRows - 1) / blockRows;
        return Fill(matrices * rows, columns, (n, k) =>
        {
            long at = scales == 1 ? 0
                : blockColumns < int.MaxValue ? (((n / rows * down) + (n % rows / blockRows)) * across) + (k / blockColumns)
                : scales == matrices ? n / rows : n;
            return code(n, k, (n * columns) + k) * t.Number(scale, at);
        });
    }

    private static (int, int, float[]) Bnb4(RawTensors t, string p)
    {
        using JsonDocument state = JsonDocument.Parse(t.Single(tensor => tensor.Key.StartsWith(p + ".weight.quant_state", StringComparison.Ordinal)).Value.Bytes);
        int size = Integer(state.RootElement, "blocksize");
        long columns = state.RootElement.GetProperty("shape")[1].GetInt64();
        return Fill(state.RootElement.GetProperty("shape")[0].GetInt64(), columns, (n, k) =>
        {
            long i = (n * columns) + k;
            int code = (t.Byte(p + ".weight", i / 2) >> (i % 2 == 0 ? 4 : 0)) & 15;
            double scale = t[p + ".weight.absmax"].Type == "F32"
                ? t.Number(p + ".weight.absmax", i / size)
                : (float)((t.Number(p + ".weight.nested_quant_map", t.Byte(p + ".weight.absmax", i / size))
                    * t.Number(p + ".weight.nested_absmax", i / size / Integer(state.RootElement, "nested_blocksize"))) + state.RootElement.GetProperty("nested_offset").GetDouble());
            return t.Number(p + ".weight.quant_map", code) * scale;
        });
    }

    private static (int, int, float[]) Mlx(RawTensors t, string p, int bits, int size, string? scaleType)
    {
        long words = t.Shape(p + ".weight")[^1];
        long columns = words * 32 / bits;
        return Fill(t[p + ".weight"].Bytes.Length / 4 / words, columns, (n, k) =>
        {
            long code = Bits(i => t.Word(p + ".weight", (n * words) + i), k * bits, bits);
            long group = (n * (columns / size)) + (k / size);
            double scale = t.Number(p + ".scales", group, scaleType);
            return scaleType is null ? (scale * code) + t.Number(p + ".biases", group)
                : bits == 4 ? E2M1[code] * scale
                : new RawTensors { ["q"] = ("F8_E4M3", [1], [(byte)code]) }.Number("q", 0) * scale;
        });
    }

    private static (int, int, float[]) Fp4(RawTensors t, string codes, string scales, int size, string type, double factor)
    {
        long columns = t.Shape(codes)[^1] * 2 * (t.Shape(codes).Length == 4 ? t.Shape(codes)[^2] : 1);
        return Fill(t[codes].Bytes.Length * 2 / columns, columns, (n, k) =>
        {
            long i = (n * columns) + k;
            return E2M1[(t.Byte(codes, i / 2) >> (i % 2 == 0 ? 0 : 4)) & 15] * t.Number(scales, i / size, type) * factor;
        });
    }

    private static double BitNet(RawTensors t, string p, long row, long column)
    {
        (long rows, long columns) = (t.Shape(p + ".weight")[0], t.Shape(p + ".weight")[1]);
        int code = (t.Byte(p + ".weight", (row % rows * columns) + column) >> (2 * (int)(row / rows))) & 3;
        return (code - 1) / t.Number(p + ".weight_scale", 0);
    }

    private static long Bits(Func<long, uint> word, long first, int count)
    {
        long value = 0;
        for (int i = 0; i < count; i++)
        {
            value |= (long)((word((first + i) / 32) >> (int)((first + i) % 32)) & 1) << i;
        }

        return value;
    }

    private static (int, int, float[]) Fill(long rows, long columns, Func<long, long, double> value)
    {
        float[] weights = new float[rows * columns];
        for (long i = 0; i < weights.Length; i++)
        {
            weights[i] = (float)value(i / columns, i % columns);
        }

        return ((int)rows, (int)columns, weights);
    }

    private static string Has(RawTensors t, params string[] names) => names.First(t.ContainsKey);

    private static int Integer(JsonElement settings, string key) =>
        settings.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetInt32() : -1;

    private static int Block(JsonElement settings, int dimension) =>
        settings.TryGetProperty("weight_block_size", out JsonElement block) && block.ValueKind == JsonValueKind.Array ? block[dimension].GetInt32()
        : dimension == 0 ? 1 : int.MaxValue;
}
