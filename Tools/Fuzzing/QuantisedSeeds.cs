using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace NativeFfn.Fuzzing;

/// <summary>Small valid models of every method of quantisation: a llama of one layer, 16 wide, with three alike matrices.</summary>
internal static class QuantisedSeeds
{
    private const int LlamaWidth = 16;
    private const int OssWidth = 32;

    private const string NoState = "";

    private const string Nf4State = """{"quant_type":"nf4","blocksize":64,"shape":[16,16]}""";

    private const string NestedState = """{"blocksize":64,"shape":[16,16],"nested_blocksize":16,"nested_offset":0.5}""";

    private const string PackGroups = """{"all":{"targets":["Linear"],"weights":{"num_bits":4,"symmetric":false,"group_size":8}}}""";

    private const string IntegerGroups = """{"one":{"targets":["re:.*up.*","Linear"],"weights":{"num_bits":8,"strategy":"channel"}}}""";

    private const string FloatGroups = """{"all":{"targets":["Linear"],"weights":{"num_bits":4,"type":"float","group_size":16}}}""";

    private const string SharedPowers = """{"all":{"targets":["Linear"],"weights":{"num_bits":4,"type":"float","group_size":16}}}""";

    // gpt-oss alone stores this method, in stacks of experts.
    private const string OssConfig =
        """{"model_type":"gpt_oss","hidden_size":32,"intermediate_size":32,"num_hidden_layers":1,"num_local_experts":2""" +
        ""","num_experts_per_tok":1,"quantization_config":{"quant_method":"mxfp4","modules_to_not_convert":["lm_head"]}}""";

    /// <summary>Every seed with a name that may be a file's.</summary>
    public static ImmutableArray<(string Name, string Config, byte[] File)> All { get; } =
    [
        Seed(
            "gptq", """{"quant_method":"gptq","bits":4,"group_size":8,"desc_act":true,"dynamic":{"+:.*down.*":{"bits":4}}}""",
            (".qweight", "I32", [2, 16]), (".qzeros", "I32", [2, 2]), (".scales", "F16", [2, 16]), (".g_idx", "I32", [16])),
        Seed(
            "gptq-8", """{"quant_method":"gptq","bits":8,"group_size":-1,"checkpoint_format":"gptq_v2","sym":false}""",
            (".qweight", "I32", [4, 16]), (".qzeros", "I32", [1, 4]), (".scales", "BF16", [1, 16])),
        Seed(
            "gptq-3", """{"quant_method":"gptq","bits":3,"group_size":8}""",
            (".qweight", "I32", [2, 16]), (".qzeros", "I32", [2, 2]), (".scales", "F32", [2, 16]), (".g_idx", "I32", [16])),
        Seed(
            "awq", """{"quant_method":"awq","bits":4,"group_size":8,"version":"gemm"}""",
            (".qweight", "I32", [16, 2]), (".qzeros", "I32", [2, 2]), (".scales", "F16", [2, 16])),
        Seed(
            "awq-gemv", """{"quant_method":"awq","bits":4,"group_size":8,"version":"gemv"}""",
            (".qweight", "I32", [16, 2]), (".qzeros", "I32", [16, 1]), (".scales", "F16", [16, 8])),
        Seed(
            "ct-pack", $$"""{"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{{PackGroups}} }""",
            (".weight_packed", "I32", [16, 2]), (".weight_scale", "BF16", [16, 2]), (".weight_zero_point", "I32", [2, 2]),
            (".weight_g_idx", "I32", [16])),
        Seed(
            "ct-int8", $$"""{"quant_method":"compressed-tensors","config_groups":{{IntegerGroups}} }""",
            (".weight", "I8", [16, 16]), (".weight_scale", "F32", [16, 1]), (".weight_zero_point", "I8", [16, 1]),
            (".input_scale", "F32", [1])),
        Seed(
            "ct-nvfp4", $$"""{"quant_method":"compressed-tensors","config_groups":{{FloatGroups}} }""",
            (".weight_packed", "U8", [16, 8]), (".weight_scale", "F8_E4M3", [16, 1]), (".weight_global_scale", "F32", [1])),
        Seed(
            "ct-mxfp4", $$"""{"quant_method":"compressed-tensors","config_groups":{{SharedPowers}} }""",
            (".weight_packed", "U8", [16, 8]), (".weight_scale", "U8", [16, 1])),
        Seed(
            "fp8", """{"quant_method":"fp8","weight_block_size":[8,12]}""",
            (".weight", "F8_E4M3", [16, 16]), (".weight_scale_inv", "F32", [2, 2])),
        Seed(
            "fp8-rows", """{"quant_method":"fbgemm_fp8"}""",
            (".weight", "F8_E5M2", [16, 16]), (".weight_scale", "F32", [16, 1])),
        Seed(
            "nvfp4", """{"quant_method":"modelopt","quant_algo":"NVFP4"}""",
            (".weight", "U8", [16, 8]), (".weight_scale", "F8_E4M3", [16, 1]), (".weight_scale_2", "F32", [])),
        Seed(
            "bnb4", """{"quant_method":"bitsandbytes","load_in_4bit":true}""", Nf4State,
            (".weight", "U8", [128, 1]), (".weight.absmax", "F32", [4]), (".weight.quant_map", "F32", [16])),
        Seed(
            "bnb4-nested", """{"quant_method":"bitsandbytes","load_in_4bit":true}""", NestedState,
            (".weight", "U8", [128, 1]), (".weight.absmax", "U8", [4]), (".weight.quant_map", "F32", [16]),
            (".weight.nested_absmax", "F32", [1]), (".weight.nested_quant_map", "F32", [256])),
        Seed(
            "bnb8", """{"quant_method":"bitsandbytes","load_in_8bit":true}""",
            (".weight", "I8", [16, 16]), (".SCB", "F32", [16]), (".weight_format", "U8", [])),
        Seed(
            "mlx", """{"bits":4,"group_size":8,"model.layers.0.mlp.up_proj":{"bits":4,"group_size":8}}""",
            (".weight", "U32", [16, 2]), (".scales", "BF16", [16, 2]), (".biases", "BF16", [16, 2])),
        Seed(
            "mlx-mxfp8", """{"bits":8,"group_size":16,"mode":"mxfp8"}""",
            (".weight", "U32", [16, 4]), (".scales", "U8", [16, 1])),
        Seed(
            "bitnet", """{"quant_method":"bitnet"}""",
            (".weight", "U8", [4, 16]), (".weight_scale", "BF16", [1])),
        Seed(
            "gemma-codes", """{"quant_method":"gemma","num_bits":4,"module_quant_configs":{"up":{"num_bits":4}}}""",
            (".weight", "U8", [16, 8]), (".weight_scale", "F32", [16, 1])),
        ("mxfp4", OssConfig, File("model.layers.0.", NoState, [""],
            ("mlp.router.weight", "F32", [2, 32]), ("mlp.router.bias", "BF16", [2]),
            ("mlp.experts.gate_up_proj_blocks", "U8", [2, 64, 1, 16]), ("mlp.experts.gate_up_proj_scales", "U8", [2, 64, 1]),
            ("mlp.experts.gate_up_proj_bias", "BF16", [2, 64]), ("mlp.experts.down_proj_blocks", "U8", [2, 32, 1, 16]),
            ("mlp.experts.down_proj_scales", "U8", [2, 32, 1]), ("mlp.experts.down_proj_bias", "BF16", [2, 32]))),
    ];

    private static (string Name, string Config, byte[] File) Seed(
        string name, string quantisation, params (string Ending, string Type, long[] Shape)[] parts) =>
        Seed(name, quantisation, NoState, parts);

    private static (string Name, string Config, byte[] File) Seed(
        string name, string quantisation, string state, params (string Ending, string Type, long[] Shape)[] parts)
    {
        string key = name.StartsWith("mlx", StringComparison.Ordinal) ? "quantization" : "quantization_config";
        string config = $$"""
            {"model_type":"llama","hidden_size":16,"intermediate_size":16,"num_hidden_layers":1,"{{key}}":{{quantisation}} }
            """;
        return (name, config, File("model.layers.0.mlp.", state, ["gate_proj", "up_proj", "down_proj"], parts));
    }

    private static byte[] File(
        string path, string state, string[] modules, params (string Ending, string Type, long[] Shape)[] parts)
    {
        var header = new StringBuilder("{");
        var data = new List<byte>();
        foreach (string module in modules)
        {
            foreach ((string ending, string type, long[] shape) in parts)
            {
                Add(header, data, path + module + ending, type, shape, Bytes(ending, type, shape));
            }

            if (state.Length > 0)
            {
                string name = path + module + ".weight.quant_state.bitsandbytes__nf4";
                Add(header, data, name, "U8", [state.Length], Encoding.UTF8.GetBytes(state));
            }
        }

        int width = modules.Length > 1 ? LlamaWidth : OssWidth;
        Add(header, data, "model.layers.0.post_attention_layernorm.weight", "F16", [width], new byte[sizeof(ushort) * width]);
        byte[] json = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        byte[] length = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)json.Length);
        return [.. length, .. json, .. data];
    }

    // An index of two groups in turn; everything else may be anything, but for the format of bitsandbytes, which must be 0.
    private static byte[] Bytes(string ending, string type, long[] shape)
    {
        int size = type switch
        {
            "I32" or "U32" or "F32" => 4,
            "F16" or "BF16" => 2,
            _ => 1,
        };
        int elements = (int)shape.Aggregate(1L, static (a, b) => a * b);
        bool isIndex = ending.EndsWith("g_idx", StringComparison.Ordinal);
        return [.. Enumerable.Range(0, elements * size).Select(
            i => !isIndex ? (byte)(ending == ".weight_format" ? 0 : i) : (byte)(i % 8 == 4 ? 1 : 0))];
    }

    private static void Add(StringBuilder header, List<byte> data, string name, string type, long[] shape, byte[] bytes)
    {
        (string sizes, int end) = (string.Join(',', shape), data.Count + bytes.Length);
        header.Append(header.Length > 1 ? "," : "").Append(CultureInfo.InvariantCulture,
            $$"""
            "{{name}}":{"dtype":"{{type}}","shape":[{{sizes}}],"data_offsets":[{{data.Count}},{{end}}]}
            """);
        data.AddRange(bytes);
    }
}
