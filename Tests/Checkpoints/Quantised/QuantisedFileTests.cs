using System.Text.Json;
using NativeFfn.Checkpoints;
using NativeFfn.Checkpoints.Quantised;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Every matrix of the golden files and of the vectors, bit for bit as the formats' formulas have it.</summary>
[TestFixture]
public sealed class QuantisedFileTests
{
    private static readonly string Root = Path.Combine(AppContext.BaseDirectory, "Golden", "quantised");

    private static readonly Lazy<JsonElement> Vectors = new(() => QuantisedFolder.Json(File.ReadAllText(Path.Combine(Root, "vectors.json"))));

    private static IEnumerable<string> Cases => Directory.EnumerateDirectories(Root).Select(static folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Cases))]
    public void Every_matrix_of_a_golden_file_is_what_its_format_says(string name)
    {
        string folder = Path.Combine(Root, name);
        RawTensors raw = RawTensors.Load(Path.Combine(folder, "model.safetensors"));
        using CheckpointTensors tensors = CheckpointTensors.OpenFile(Path.Combine(folder, "model.safetensors"));
        tensors.Show(Quantisation.Forms(Path.Combine(folder, "config.json")));
        JsonElement config = QuantisedFolder.Json(File.ReadAllText(Path.Combine(folder, "config.json")));
        (string sign, string shown, string method) = name.Split('-')[0] switch
        {
            "awq" => (".qweight", ".weight", "awq"),
            "gptq" or "gptq_v2" => (".qweight", ".weight", "gptq"),
            "bnb" => name == "bnb-int8" ? (".SCB", ".weight", "bnb8") : (".weight.absmax", ".weight", "bnb4"),
            "ct" => name.Contains("float", StringComparison.Ordinal) ? (".weight_scale", ".weight", "fp8") : (".weight_packed", ".weight", "ct-pack"),
            "fp8" => (".weight_scale_inv", ".weight", "fp8"),
            "mlx" => (".scales", ".weight", "mlx"),
            _ => ("_blocks", "_blocks", "mxfp4"),
        };
        JsonElement settings = config.TryGetProperty("quantization", out JsonElement mlx) ? mlx : config.GetProperty("quantization_config");
        settings = settings.TryGetProperty("config_groups", out JsonElement groups) ? groups.GetProperty("group_0").GetProperty("weights") : settings;
        string[] modules = [.. raw.Keys.Where(key => key.EndsWith(sign, StringComparison.Ordinal)).Select(key => key[..^sign.Length])];
        Assert.That(modules, Has.Length.GreaterThan(1));
        foreach (string module in modules)
        {
            (int rows, int columns, float[] expected) = QuantisedOracle.Matrix(raw, module, method, settings);
            foreach (int rowsAtATime in (int[])[1, 7, rows])
            {
                float[] read = QuantisedFolder.Read(tensors, module + shown, rowsAtATime, out int width);
                Assert.That(width, Is.EqualTo(columns));
                Assert.That(QuantisedFolder.FirstDifference(read, expected), Is.EqualTo(-1), module);
            }
        }

        // The parts are nowhere, and what is not quantised stays as it is.
        string[] names = [.. tensors.Under("")];
        string[] plain = [.. raw.Keys.Where(key => !modules.Any(module => key.StartsWith(module + ".", StringComparison.Ordinal) || key == module + "_scales" || key == module + "_blocks"))];
        Assert.That(names, Is.EquivalentTo(plain.Concat(modules.Select(module => module + shown))));
        Assert.That(names, Is.Ordered.Using((IComparer<string>)StringComparer.Ordinal));
        Assert.That(names.All(tensors.Contains) && !raw.Keys.Except(names).Any(tensors.Contains));
        Assert.That(plain.All(key => QuantisedFolder.Read(tensors, key, 1, out _).Length == raw.Shape(key).Aggregate(1L, static (a, b) => a * b)));
    }

    [TestCase("gptq", "g_idx_plain", "w_NxK_v1_plain")]
    [TestCase("gptq_v2", "g_idx_plain", "w_NxK_v2_plain")]
    [TestCase("gptq", "g_idx_desc_act", "w_NxK_v1_desc_act")]
    public void The_vector_of_gptq_is_read_bit_for_bit(string format, string index, string expected)
    {
        JsonElement vector = Vectors.Value.GetProperty("gptq4");
        Check(
            $$"""{"quant_method":"gptq","bits":4,"group_size":8,"sym":false,"checkpoint_format":"{{format}}"}""",
            new RawTensors
            {
                ["m.qweight"] = ("I32", [2, 8], Words(vector.GetProperty("qweight_KxN_words"))),
                ["m.qzeros"] = ("I32", [2, 1], Words(vector.GetProperty("qzeros_GxN_words"))),
                ["m.scales"] = ("F16", [2, 8], QuantisedFolder.Bytes<Half>([.. Numbers(vector.GetProperty("scales")).Select(static value => (Half)value)])),
                ["m.g_idx"] = ("I32", [16], QuantisedFolder.Bytes<int>([.. Numbers(vector.GetProperty(index)).Select(static value => (int)value)])),
            },
            "m.weight", vector.GetProperty(expected));
    }

    [Test]
    public void The_vector_of_three_bits_is_read_bit_for_bit()
    {
        JsonElement vector = Vectors.Value.GetProperty("gptq3_column");
        Check(
            """{"quant_method":"gptq","bits":3,"group_size":-1,"checkpoint_format":"gptq_v2"}""",
            new RawTensors
            {
                ["m.qweight"] = ("I32", [3, 1], Words(vector.GetProperty("words"))),
                ["m.qzeros"] = ("I32", [1, 1], new byte[4]),
                ["m.scales"] = ("F16", [1, 1], QuantisedFolder.Bytes((Half)1)),
            },
            "m.weight", vector.GetProperty("values"));
    }

    [Test]
    public void The_vector_of_awq_is_read_bit_for_bit()
    {
        JsonElement vector = Vectors.Value.GetProperty("awq4");
        Check(
            """{"quant_method":"awq","bits":4,"group_size":4,"version":"gemm"}""",
            new RawTensors
            {
                ["m.qweight"] = ("I32", [4, 1], Words(vector.GetProperty("qweight_KxN8"))),
                ["m.qzeros"] = ("I32", [1, 1], Words(vector.GetProperty("qzeros"))),
                ["m.scales"] = ("F16", [1, 8], QuantisedFolder.Bytes<Half>([.. Numbers(vector.GetProperty("scales")).Select(static value => (Half)value)])),
            },
            "m.weight", vector.GetProperty("w_NxK"));
    }

    [Test]
    public void The_vectors_of_compressed_tensors_are_read_bit_for_bit()
    {
        JsonElement vector = Vectors.Value.GetProperty("ct_pack4");
        Check(
            """{"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":4,"strategy":"group","group_size":4}}}}""",
            new RawTensors
            {
                ["m.weight_packed"] = ("I32", [2, 1], Words(vector.GetProperty("weight_packed_NxK8"))),
                ["m.weight_scale"] = ("F32", [2, 2], QuantisedFolder.Bytes<float>([.. Numbers(vector.GetProperty("weight_scale_NxG"))])),
                ["m.weight_shape"] = ("I64", [2], QuantisedFolder.Bytes<long>([2, 8])),
            },
            "m.weight", vector.GetProperty("w"));

        // Codes of 0 less a zero point, by a scale of -1, are the zero points.
        vector = Vectors.Value.GetProperty("ct_zero_point_packed");
        Check(
            """{"quant_method":"compressed-tensors","config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":4,"symmetric":false,"strategy":"channel"}}}}""",
            new RawTensors
            {
                ["m.weight_packed"] = ("I32", [8, 1], QuantisedFolder.Bytes<uint>([.. Enumerable.Repeat(0x8888_8888u, 8)])),
                ["m.weight_scale"] = ("F32", [8, 1], QuantisedFolder.Bytes<float>([.. Enumerable.Repeat(-1f, 8)])),
                ["m.weight_shape"] = ("I64", [2], QuantisedFolder.Bytes<long>([8, 1])),
                ["m.weight_zero_point"] = ("I32", [1, 1], Words(vector.GetProperty("words_1xG"))),
            },
            "m.weight", vector.GetProperty("zp_N8xG1"));
    }

    [Test]
    public void The_vectors_of_fp8_are_read_bit_for_bit()
    {
        JsonElement vector = Vectors.Value.GetProperty("fp8_block2x2");
        Check(
            """{"quant_method":"fp8","weight_block_size":[2,2]}""",
            new RawTensors
            {
                ["m.weight"] = ("F8_E4M3", [3, 3], [.. Numbers(vector.GetProperty("weight_bytes")).Select(static value => (byte)value)]),
                ["m.weight_scale_inv"] = ("F32", [2, 2], QuantisedFolder.Bytes<float>([.. Numbers(vector.GetProperty("weight_scale_inv"))])),
            },
            "m.weight", vector.GetProperty("w"));
        Check(
            """{"quant_method":"fp8"}""",
            new RawTensors
            {
                ["m.weight"] = ("F8_E4M3", [1, 256], [.. Enumerable.Range(0, 256).Select(static value => (byte)value)]),
                ["m.weight_scale_inv"] = ("F32", [], QuantisedFolder.Bytes(1f)),
            },
            "m.weight", Vectors.Value.GetProperty("e4m3_all"));
    }

    [Test]
    public void The_vectors_of_4_bit_floats_are_read_bit_for_bit()
    {
        JsonElement vector = Vectors.Value.GetProperty("gptoss_mxfp4");
        Check(
            """{"quant_method":"mxfp4"}""",
            new RawTensors
            {
                ["m_blocks"] = ("U8", [1, 2, 1, 16], Hex(vector.GetProperty("blocks_rows(E0,row0=gate0,row1=up0)"))),
                ["m_scales"] = ("U8", [1, 2, 1], [.. Numbers(vector.GetProperty("scales")).Select(static value => (byte)value)]),
            },
            "m_blocks", vector.GetProperty("rows"));
        vector = Vectors.Value.GetProperty("nvfp4_16");
        byte[] packed = Convert.FromHexString(vector.GetProperty("packed").GetString()!);
        Check(
            """{"quant_method":"modelopt","quant_algo":"NVFP4"}""",
            new RawTensors
            {
                ["m.weight"] = ("U8", [1, 8], packed),
                ["m.weight_scale"] = ("F8_E4M3", [1, 1], [vector.GetProperty("scale_e4m3").GetByte()]),
                ["m.weight_scale_2"] = ("F32", [], QuantisedFolder.Bytes(vector.GetProperty("modelopt_weight_scale_2").GetSingle())),
            },
            "m.weight", vector.GetProperty("w"));
        Check(
            """{"quant_method":"compressed-tensors","format":"nvfp4-pack-quantized","config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":4,"type":"float","strategy":"tensor_group","group_size":16}}}}""",
            new RawTensors
            {
                ["m.weight_packed"] = ("U8", [1, 8], packed),
                ["m.weight_scale"] = ("F8_E4M3", [1, 1], [vector.GetProperty("scale_e4m3").GetByte()]),
                ["m.weight_global_scale"] = ("F32", [1], QuantisedFolder.Bytes(vector.GetProperty("ct_weight_global_scale").GetSingle())),
            },
            "m.weight", vector.GetProperty("w"));
    }

    [Test]
    public void The_vector_of_nf4_is_read_bit_for_bit()
    {
        JsonElement vector = Vectors.Value.GetProperty("bnb_nf4");
        float[] map =
        [
            -1, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.09105003625154495f, 0,
            0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1,
        ];
        Check(
            """{"quant_method":"bitsandbytes","load_in_4bit":true}""",
            new RawTensors
            {
                ["m.weight"] = ("U8", [64, 1], Convert.FromHexString(vector.GetProperty("bytes").GetString()!)),
                ["m.weight.absmax"] = ("F32", [2], QuantisedFolder.Bytes<float>([.. Numbers(vector.GetProperty("absmax"))])),
                ["m.weight.quant_map"] = ("F32", [16], QuantisedFolder.Bytes<float>(map)),
                ["m.weight.quant_state.bitsandbytes__nf4"] = State("""{"quant_type":"nf4","blocksize":64,"shape":[4,32]}"""),
            },
            "m.weight", vector.GetProperty("w_flat"));
    }

    [TestCase(3)]
    [TestCase(4)]
    [TestCase(5)]
    [TestCase(6)]
    [TestCase(8)]
    public void The_vectors_of_mlx_are_read_bit_for_bit(int bits)
    {
        JsonElement vector = Vectors.Value.GetProperty($"mlx_affine_{bits}");
        byte[] words = Words(vector.GetProperty("words"));
        Check(
            $$"""{"group_size":32,"bits":{{bits}}}""",
            new RawTensors
            {
                ["m.weight"] = ("U32", [1, words.Length / 4], words),
                ["m.scales"] = ("F16", [1, 1], QuantisedFolder.Bytes((Half)vector.GetProperty("scale").GetDouble())),
                ["m.biases"] = ("F16", [1, 1], QuantisedFolder.Bytes((Half)vector.GetProperty("bias").GetDouble())),
            },
            "m.weight", vector.GetProperty("w"), "quantization");
    }

    private static void Check(string config, RawTensors tensors, string name, JsonElement expected, string key = "quantization_config")
    {
        using var folder = new QuantisedFolder($"\"{key}\":{config}", tensors);
        float[] read = QuantisedFolder.Read(folder.Tensors, name, 2, out _);
        float[] wanted = [.. Numbers(expected)];
        Assert.That(QuantisedFolder.FirstDifference(read, wanted), Is.EqualTo(-1), $"{string.Join(' ', read)} instead of {string.Join(' ', wanted)}");
    }

    private static (string Type, long[] Shape, byte[] Bytes) State(string json) => ("U8", [json.Length], System.Text.Encoding.UTF8.GetBytes(json));

    // Nested lists of numbers as one list; null is NaN.
    private static IEnumerable<float> Numbers(JsonElement values) => values.EnumerateArray().SelectMany(static value =>
        value.ValueKind == JsonValueKind.Array ? Numbers(value) : [value.ValueKind == JsonValueKind.Null ? float.NaN : value.GetSingle()]);

    private static byte[] Words(JsonElement hex) => hex.ValueKind == JsonValueKind.Array
        ? [.. hex.EnumerateArray().SelectMany(Words)]
        : QuantisedFolder.Bytes(Convert.ToUInt32(hex.GetString(), 16));

    private static byte[] Hex(JsonElement hex) => [.. hex.EnumerateArray().SelectMany(static row => Convert.FromHexString(row.GetString()!))];
}
