using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>What is wrong about a quantised checkpoint is said in one line that names the tensor or the key, and the value.</summary>
[TestFixture]
public sealed class QuantisedRejectionTests
{
    private const string GptqConfig = """{"quant_method":"gptq","bits":4,"group_size":8}""";
    private const string PackConfig = """{"quant_method":"compressed-tensors","config_groups":{"a":{"targets":["Linear"],"weights":{"num_bits":4,"group_size":4}}}}""";

    [TestCase("""{"quant_method":"hqq"}""", "'quant_method' is 'hqq', a method that this version does not read; take a checkpoint")]
    [TestCase("""{"quant_method":"torchao"}""", "'torchao', which stores classes of its library")]
    [TestCase("""{"quant_method":"marlin"}""", "'marlin', whose order of codes was made for one kernel")]
    [TestCase("""{"quant_method":"mystery"}""", "'mystery', a method that is not known; take a checkpoint that was quantised another way; supported are auto-round, awq,")]
    [TestCase("""{"bits":4}""", "'quant_method' is absent from 'quantization_config'")]
    [TestCase("""{"quant_method":"gptq","bits":4,"checkpoint_format":"marlin"}""", "'checkpoint_format' is 'marlin', an order of codes made for one kernel")]
    [TestCase("""{"quant_method":"gptq","bits":4,"is_marlin_format":true}""", "'marlin', an order of codes")]
    [TestCase("""{"quant_method":"gptq","bits":4,"checkpoint_format":"gptq_p"}""", "'gptq_p', an order of codes")]
    [TestCase("""{"quant_method":"awq","bits":4,"group_size":8,"version":"gemv_fast"}""", "'version' is 'gemv_fast', whose order of codes is not read")]
    [TestCase("""{"quant_method":"awq","bits":8,"group_size":8}""", "'bits' is 8; AWQ has 4")]
    [TestCase("""{"quant_method":"auto-round","packing_format":"auto_round:exllamav2"}""", "'packing_format' is 'auto_round:exllamav2'; supported are")]
    [TestCase("""{"quant_method":"compressed-tensors","format":"marlin-24"}""", "'format' is 'marlin-24'; supported are pack-quantized,")]
    [TestCase("""{"quant_method":"compressed-tensors","sparsity_config":{"format":"sparse-24-bitmask"}}""", "'sparse-24-bitmask', sparse weights, which are not read")]
    [TestCase("""{"quant_method":"compressed-tensors","transform_config":{"config_groups":{"R1":{}}}}""", "'transform_config' is there: it rotates")]
    [TestCase("""{"quant_method":"bitnet","linear_class":"other"}""", "'linear_class' is 'other'; supported are")]
    public void A_method_that_is_not_read_is_named(string config, string problem)
    {
        var error = Assert.Throws<CheckpointException>(() => _ = new QuantisedFolder($"\"quantization_config\":{config}", Gptq()));
        Assert.That(error!.Message, Does.Contain("config.json: ").And.Contain(problem).And.Not.Contain("\n"));
    }

    private static IEnumerable<TestCaseData> Parts()
    {
        yield return Case("gptq without zeros", GptqConfig, Gptq(), "m.qzeros", null, "has no tensor 'm.qzeros', a part of the quantised 'm.weight'");
        yield return Case("gptq without scales", GptqConfig, Gptq(), "m.scales", null, "has no tensor 'm.scales'");
        yield return Case("gptq, scales", GptqConfig, Gptq(), "m.scales", ("F16", [2, 7], new byte[28]), "tensor 'm.scales' has shape [2, 7]; the other parts of its matrix ask for [2, 8]");
        yield return Case("gptq, groups", GptqConfig, Gptq(), "m.scales", ("F16", [3, 8], new byte[48]), "has shape [3, 8]");
        yield return Case("gptq, zeros", GptqConfig, Gptq(), "m.qzeros", ("I32", [2, 2], new byte[16]), "tensor 'm.qzeros' has shape [2, 2]");
        yield return Case("gptq, codes", GptqConfig, Gptq(), "m.qweight", ("I32", [3, 8], new byte[96]), "tensor 'm.qweight' has 3 rows of words; 16 columns of 4 bits make 2");
        yield return Case("gptq, type of codes", GptqConfig, Gptq(), "m.qweight", ("I64", [2, 8], new byte[128]), "tensor 'm.qweight' has type I64; I32 or U32 is expected");
        yield return Case("gptq, no columns", GptqConfig, Gptq(), "m.qweight", ("I32", [0, 8], []), "tensor 'm.qweight' has shape [0, 8]");
        yield return Case("gptq, no bits", """{"quant_method":"gptq","group_size":8}""", Gptq(), null, null, "has no 'bits'");
        yield return Case("gptq, 5 bits", """{"quant_method":"gptq","bits":5}""", Gptq(), null, null, "'bits' is 5; GPTQ has 2, 3, 4 or 8");
        yield return Case("gptq, a pattern", """{"quant_method":"gptq","bits":4,"dynamic":{"+:(":{"bits":8}}}""", Gptq(), null, null, "has the pattern '(', which cannot be matched");
        foreach (int wrong in (int[])[2, -2, int.MaxValue, int.MinValue])
        {
            yield return Case(
                $"gptq, group {wrong}", GptqConfig, Gptq(), "m.g_idx", ("I32", [16], QuantisedFolder.Bytes<int>([.. new int[15], wrong])),
                $"tensor 'm.g_idx' places column 15 in group {wrong}; there are 2");
        }

        const string awq = """{"quant_method":"awq","bits":4,"group_size":3}""";
        yield return Case("awq, group", awq, Gptq(), null, null, "'group_size' is 3, which does not divide 2 columns");
        yield return Case("ct without scales", PackConfig, Pack(), "m.weight_scale", null, "has no tensor 'm.weight_scale'");
        yield return Case("ct, scales", PackConfig, Pack(), "m.weight_scale", ("BF16", [2, 1], new byte[4]), "tensor 'm.weight_scale' has shape [2, 1]");
        yield return Case("ct, type of scales", PackConfig, Pack(), "m.weight_scale", ("I32", [2, 2], new byte[16]), "tensor 'm.weight_scale' has type I32, which no scale has");
        yield return Case("ct, shape", PackConfig, Pack(), "m.weight_shape", ("I64", [2], QuantisedFolder.Bytes<long>(2, 9)), "tensor 'm.weight_shape' says [2, 9]; 'm.weight_packed' has [2, 1] words of 8 codes");
        yield return Case("ct, absurd shape", PackConfig, Pack(), "m.weight_shape", ("I64", [2], QuantisedFolder.Bytes(2, long.MinValue)), "rows of -9223372036854775808 weights");
        yield return Case("ct, zeros", PackConfig, Pack(), "m.weight_zero_point", ("I32", [2, 2], new byte[16]), "tensor 'm.weight_zero_point' has shape [2, 2]");
        yield return Case("ct, group", PackConfig, Pack(), "m.weight_g_idx", ("I32", [8], QuantisedFolder.Bytes<int>(0, 0, 0, 0, 0, 0, 0, 7)), "places column 7 in group 7; there are 2");
        yield return Case(
            "ct, asymmetric without zeros", PackConfig.Replace("\"num_bits\"", "\"symmetric\":false,\"num_bits\"", StringComparison.Ordinal), Pack(), null, null,
            "has no tensor 'm.weight_zero_point'");
        yield return Case("ct, no group", """{"quant_method":"compressed-tensors"}""", Pack(), null, null, "'config_groups' is 0 groups, none of which names 'm'");
        const string blocks = """{"quant_method":"fp8","weight_block_size":[2,2]}""";
        yield return Case("fp8, scales", blocks, Fp8(), "m.weight_scale_inv", ("F32", [1, 1], new byte[4]), "tensor 'm.weight_scale_inv' has shape [1, 1]; the other parts of its matrix ask for [2, 2]");
        yield return Case("fp8, scales of rows", """{"quant_method":"fp8"}""", Fp8(), "m.weight_scale_inv", ("F32", [2, 2], new byte[16]), "a scale for each row of [3, 3] or one for all is expected");
        yield return Case("fp8, type", blocks, Fp8(), "m.weight", ("BF16", [3, 3], new byte[18]), "tensor 'm.weight' has type BF16; F8_E4M3 or F8_E5M2 is expected");
        yield return Case("fp8, size of blocks", """{"quant_method":"fp8","weight_block_size":[0,2]}""", Fp8(), null, null, "'weight_block_size' is an array; it must be two integers from 1 on");
        yield return Case("bnb, order", """{"quant_method":"bitsandbytes"}""", Bnb8(), "m.weight_format", ("U8", [], [1]), "tensor 'm.weight_format' is 1, an order of codes");
        yield return Case("bnb, scales", """{"quant_method":"bitsandbytes"}""", Bnb8(), "m.SCB", ("F32", [2], new byte[8]), "tensor 'm.SCB' has shape [2]");
        yield return Case("bnb, no state", """{"quant_method":"bitsandbytes"}""", Bnb4("{}"), "m.weight.quant_state.bitsandbytes__nf4", null, "has no tensor 'm.weight.quant_state.bitsandbytes__nf4'");
        yield return Case("bnb, no shape", """{"quant_method":"bitsandbytes"}""", Bnb4("{}"), null, null, "bitsandbytes__nf4' has no 'shape'");
        yield return Case("bnb, damaged state", """{"quant_method":"bitsandbytes"}""", Bnb4("{"), null, null, "is no valid JSON");
        yield return Case("bnb, shape", """{"quant_method":"bitsandbytes"}""", Bnb4("""{"blocksize":64,"shape":[2147483647,16777216]}"""), null, null, "has 4 bytes; [2147483647, 16777216] codes of 4 bits are");
        yield return Case("bnb, block", """{"quant_method":"bitsandbytes"}""", Bnb4("""{"blocksize":4,"shape":[2,4]}"""), null, null, "'m.weight.absmax' has 1 elements; [2, 4] weights are 2 blocks of 4");
        yield return Case("mxfp4, halves", """{"quant_method":"mxfp4"}""", new RawTensors { ["m_blocks"] = ("U8", [1, 1, 15], new byte[15]), ["m_scales"] = ("U8", [1, 1], new byte[1]) }, null, null, "tensor 'm_blocks' has shape [1, 1, 15]");
    }

    [TestCaseSource(nameof(Parts))]
    public void A_part_that_does_not_fit_is_named(string config, object parts, string? changed, object? change, string problem)
    {
        var tensors = (RawTensors)parts;
        if (changed is not null)
        {
            tensors.Remove(changed);
        }

        if (change is (string type, long[] shape, byte[] bytes))
        {
            tensors[changed!] = (type, shape, bytes);
        }

        using var folder = new QuantisedFolder($"\"quantization_config\":{config}", tensors);
        string shown = tensors.ContainsKey("m_blocks") ? "m_blocks" : "m.weight";
        var error = Assert.Throws<CheckpointException>(() => QuantisedFolder.Read(folder.Tensors, shown, 1, out _));
        Assert.That(error!.Message, Does.Contain(problem).And.Not.Contain("\n"));
    }

    [TestCase("""{"mode":"mxfp5","bits":4,"group_size":32}""", "'mode' is 'mxfp5'; supported are affine")]
    [TestCase("""{"bits":7,"group_size":32}""", "'bits' is 7, which mode 'affine' does not have")]
    [TestCase("""{"bits":4,"group_size":64}""", "tensor 'm.weight' has rows of 4 words, which are no whole groups of 64 codes of 4 bits")]
    [TestCase("""{"bits":2,"group_size":32}""", "tensor 'm.scales' has shape [2, 1]; the other parts of its matrix ask for [2, 2]")]
    [TestCase("""{"bits":4,"group_size":32}""", "has no tensor 'm.biases'")]
    [TestCase("""{"mode":"mxfp4"}""", "tensor 'm.scales' has type F16; U8 is expected")]
    public void What_does_not_fit_of_mlx_is_named(string config, string problem)
    {
        var tensors = new RawTensors { ["m.weight"] = ("U32", [2, 4], new byte[32]), ["m.scales"] = ("F16", [2, 1], new byte[4]) };
        using var folder = new QuantisedFolder($"\"quantization\":{config}", tensors);
        Assert.That(
            () => QuantisedFolder.Read(folder.Tensors, "m.weight", 1, out _), Throws.TypeOf<CheckpointException>().With.Message.Contains(problem));
    }

    [TestCase("its weights in pytorch_model.bin, a pickle, which runs code when it is read", "optimizer.pt", "pytorch_model.bin")]
    [TestCase("its weights in model.pth, a pickle, which runs code when it is read", "model.pth")]
    [TestCase("its weights in model.onnx, which is not read", "model.onnx")]
    public void Weights_in_a_format_that_is_not_read_are_refused_with_the_reason(string problem, params string[] files)
    {
        using var folder = new TempFolder();
        folder.Write("config.json", """{"model_type":"llama"}""");
        Array.ForEach(files, file => folder.Write(file, [1]));
        Assert.That(() => FfnCheckpoint.Open(folder.Path), Throws.TypeOf<CheckpointException>().With.Message.Contains(problem));
    }

    [Test]
    public void Old_quantisers_files_beside_the_configuration_are_read()
    {
        using var folder = new TempFolder();
        string config = folder.Write("config.json", "{}");
        Assert.That(NativeFfn.Checkpoints.Quantised.Quantisation.Forms(config), Is.Empty);
        folder.Write("quantize_config.json", GptqConfig.Replace("\"quant_method\":\"gptq\",", "", StringComparison.Ordinal));
        Assert.That(NativeFfn.Checkpoints.Quantised.Quantisation.Forms(config).Single().Codes, Is.EqualTo(".qweight"));
    }

    [Test]
    public void A_text_models_own_configuration_is_found_inside_of_another()
    {
        using var folder = new TempFolder();
        string config = folder.Write("config.json", """{"text_config":{"quantization_config":{"quant_method":"mxfp4"}}}""");
        Assert.That(NativeFfn.Checkpoints.Quantised.Quantisation.Forms(config).Single().Shown, Is.EqualTo("_blocks"));
    }

    // Symmetric codes have their zero point in the middle, whichever version the configuration names.
    [TestCase("gptq", 0x8888_8888u, 0f)]
    [TestCase("gptq", 0x7777_7777u, 0f)]
    [TestCase("gptq_v2", 0x7777_7777u, 0f)]
    [TestCase("gptq", 0x7777_7776u, 1f)]
    [TestCase("gptq_v2", 0x7777_7776u, 2f)]
    public void Symmetric_zero_points_tell_their_version(string format, uint zeros, float first)
    {
        RawTensors tensors = Gptq();
        tensors["m.qweight"] = ("I32", [2, 8], QuantisedFolder.Bytes<uint>([.. Enumerable.Repeat(0x8888_8888u, 16)]));
        tensors["m.qzeros"] = ("I32", [2, 1], QuantisedFolder.Bytes(zeros, zeros));
        tensors["m.scales"] = ("F16", [2, 8], QuantisedFolder.Bytes<Half>([.. Enumerable.Repeat((Half)1, 16)]));
        using var folder = new QuantisedFolder($$"""
            "quantization_config":{"quant_method":"gptq","bits":4,"group_size":8,"sym":true,"checkpoint_format":"{{format}}"}
            """, tensors);
        Assert.That(QuantisedFolder.Read(folder.Tensors, "m.weight", 8, out _)[0], Is.EqualTo(first));
    }

    // A code of 15 is a zero point of 0. AutoGPTQ adds to each code alone, and GPTQModel, who took from whole words, to whole words.
    [TestCase("", 0x7777_77f7u, 8f, 0f, 8f)]
    [TestCase("\"meta\":{\"quantizer\":[\"auto_gptq:0.7\"]},", 0x7777_77f7u, 8f, 0f, 8f)]
    [TestCase("\"meta\":{\"quantizer\":[\"gptqmodel:5.0\"]},", 0x7777_77f7u, 8f, 0f, 9f)]
    [TestCase("\"meta\":{\"quantizer\":\"gptqmodel:1.0\"},", 0x7777_76f7u, 8f, 0f, 8f)]
    [TestCase("\"meta\":{\"quantizer\":[\"gptqmodel:5.0\"]},", 0xffff_ffffu, 0f, 1f, 1f)]
    public void Zero_points_that_wrap_are_as_their_writer_reads_them(string meta, uint zeros, float first, float second, float third)
    {
        RawTensors tensors = Gptq();
        tensors["m.qzeros"] = ("I32", [2, 1], QuantisedFolder.Bytes(zeros, zeros));
        tensors["m.scales"] = ("F16", [2, 8], QuantisedFolder.Bytes<Half>([.. Enumerable.Repeat((Half)(-1), 16)]));
        using var folder = new QuantisedFolder($$"""
            "quantization_config":{"quant_method":"gptq",{{meta}}"bits":4,"group_size":8,"sym":false}
            """, tensors);
        float[] weights = QuantisedFolder.Read(folder.Tensors, "m.weight", 8, out _);
        Assert.That((float[])[weights[0], weights[16], weights[32]], Is.EqualTo((float[])[first, second, third]));
    }

    private static RawTensors Gptq() => new()
    {
        ["m.qweight"] = ("I32", [2, 8], new byte[64]), ["m.qzeros"] = ("I32", [2, 1], new byte[8]), ["m.scales"] = ("F16", [2, 8], new byte[32]),
        ["m.g_idx"] = ("I32", [16], new byte[64]),
    };

    private static RawTensors Pack() => new()
    {
        ["m.weight_packed"] = ("I32", [2, 1], new byte[8]), ["m.weight_scale"] = ("BF16", [2, 2], new byte[8]),
        ["m.weight_shape"] = ("I64", [2], QuantisedFolder.Bytes<long>(2, 8)),
    };

    private static RawTensors Fp8() => new() { ["m.weight"] = ("F8_E4M3", [3, 3], new byte[9]), ["m.weight_scale_inv"] = ("F32", [2, 2], new byte[16]) };

    private static RawTensors Bnb8() => new() { ["m.weight"] = ("I8", [3, 2], new byte[6]), ["m.SCB"] = ("F32", [3], new byte[12]) };

    private static RawTensors Bnb4(string state) => new()
    {
        ["m.weight"] = ("U8", [4, 1], new byte[4]), ["m.weight.absmax"] = ("F32", [1], new byte[4]), ["m.weight.quant_map"] = ("F32", [16], new byte[64]),
        ["m.weight.quant_state.bitsandbytes__nf4"] = ("U8", [state.Length], System.Text.Encoding.UTF8.GetBytes(state)),
    };

    private static TestCaseData Case(
        string name, string config, RawTensors parts, string? changed, (string Type, long[] Shape, byte[] Bytes)? change, string problem) =>
        new TestCaseData(config, parts, changed, change, problem).SetArgDisplayNames(name);
}
