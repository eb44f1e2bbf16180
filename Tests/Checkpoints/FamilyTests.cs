using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>What families do that no golden case shows. Dimensions are 2 and 3; elements count up through the file.</summary>
[TestFixture]
public sealed class FamilyTests
{
    private const string LlamaSizes = "\"hidden_size\":2,\"intermediate_size\":3,\"num_hidden_layers\":1";

    [TestCase("llama", "", 1e-6f, 0f, "silu")]
    [TestCase("mistral", "\"rms_norm_eps\":1e-5,", 1e-5f, 0f, "silu")]
    [TestCase("qwen3", "\"hidden_act\":\"swish\",", 1e-6f, 0f, "silu")]
    [TestCase("gemma", "\"hidden_act\":\"gelu\",", 1e-6f, 1f, "gelu-tanh")]
    [TestCase("gemma", "", 1e-6f, 1f, "gelu-tanh")]
    [TestCase("gemma", "\"hidden_act\":\"gelu\",\"hidden_activation\":null,", 1e-6f, 1f, "gelu-tanh")]
    [TestCase("gemma", "\"hidden_act\":\"relu\",\"hidden_activation\":\"gelu\",", 1e-6f, 1f, "gelu")]
    [TestCase("llama", "\"hidden_act\":\"gelu\",", 1e-6f, 0f, "gelu")]
    [TestCase("llama", "\"hidden_act\":\"gelu_new\",", 1e-6f, 0f, "gelu-tanh")]
    [TestCase("llama", "\"hidden_act\":\"gelu_pytorch_tanh\",", 1e-6f, 0f, "gelu-tanh")]
    [TestCase("llama", "\"hidden_act\":\"quick_gelu\",", 1e-6f, 0f, "quick-gelu")]
    [TestCase("llama", "\"hidden_act\":\"relu\",", 1e-6f, 0f, "relu")]
    [TestCase("llama", "\"hidden_act\":\"relu2\",", 1e-6f, 0f, "relu2")]
    [TestCase("llama", "\"hidden_act\":\"sigmoid\",", 1e-6f, 0f, "sigmoid")]
    [TestCase("llama", "\"hidden_act\":\"linear\",", 1e-6f, 0f, "identity")]
    public void Gated_families_read_activation_and_epsilon(string family, string keys, float epsilon, float weightOffset, string activation)
    {
        using var model = new TempModel(
            $$"""{"model_type":"{{family}}",{{keys}}{{LlamaSizes}}}""", LlamaTensors("model.layers.0."));
        FfnSpec spec = model.Layer(0).Spec;
        Assert.That(spec.Kind, Is.EqualTo(new FfnKind(true, ReferenceMath.Named(activation))));
        Assert.That(spec.PreNorm, Is.EqualTo(new NormSpec(NormKind.Rms, epsilon) { WeightOffset = weightOffset }));
    }

    [TestCase("model.layers.0.")]
    [TestCase("layers.0.")]
    public void A_base_model_may_leave_out_the_prefix(string path)
    {
        using var model = new TempModel($$"""{"model_type":"llama",{{LlamaSizes}}}""", LlamaTensors(path));
        Assert.That(Weights.Read(model.Layer(0), "up.weight"), Is.EqualTo(new[] { 7f, 8f, 9f, 10f, 11f, 12f }));
    }

    [Test]
    public void Gemma_2_has_norms_on_both_sides()
    {
        using var model = new TempModel(
            $$"""{"model_type":"gemma2",{{LlamaSizes}}}""",
            [.. LlamaTensors("model.layers.0."), ("model.layers.0.pre_feedforward_layernorm.weight", [2]), ("model.layers.0.post_feedforward_layernorm.weight", [2])]);
        FfnCheckpointLayer layer = model.Layer(0);
        var norm = new NormSpec(NormKind.Rms, 1e-6f) { WeightOffset = 1 };
        Assert.That((layer.Spec.PreNorm, layer.Spec.BranchNorm, layer.Spec.PostNorm), Is.EqualTo((norm, norm, (NormSpec?)null)));
        Assert.That(Weights.Read(layer, "pre_norm.weight"), Is.EqualTo(new[] { 21f, 22f }));
        Assert.That(Weights.Read(layer, "branch_norm.weight"), Is.EqualTo(new[] { 23f, 24f }));
    }

    [Test]
    public void Llama_biases_are_used_where_the_configuration_has_them()
    {
        using var model = new TempModel(
            $$"""{"model_type":"llama","mlp_bias":true,{{LlamaSizes}}}""",
            [
                .. LlamaTensors("model.layers.0."), ("model.layers.0.mlp.gate_proj.bias", [3]), ("model.layers.0.mlp.up_proj.bias", [3]),
                ("model.layers.0.mlp.down_proj.bias", [2]),
            ]);
        FfnCheckpointLayer layer = model.Layer(0);
        Assert.That(Weights.Read(layer, "gate.bias"), Is.EqualTo(new[] { 21f, 22f, 23f }));
        Assert.That(Weights.Read(layer, "up.bias"), Is.EqualTo(new[] { 24f, 25f, 26f }));
        Assert.That(Weights.Read(layer, "down.bias"), Is.EqualTo(new[] { 27f, 28f }));
    }

    [Test]
    public void Biases_and_configuration_must_agree()
    {
        using (var model = new TempModel(
            $$"""{"model_type":"mistral",{{LlamaSizes}}}""", [.. LlamaTensors("model.layers.0."), ("model.layers.0.mlp.up_proj.bias", [3])]))
        {
            Assert.That(() => model.Layer(0), Throws.TypeOf<CheckpointException>().With.Message.Contains("has tensor 'model.layers.0.mlp.up_proj.bias'"));
        }

        using (var model = new TempModel($$"""{"model_type":"llama","mlp_bias":true,{{LlamaSizes}}}""", LlamaTensors("model.layers.0.")))
        {
            Assert.That(() => model.Layer(0), Throws.TypeOf<CheckpointException>().With.Message.Contains("has no tensor 'model.layers.0.mlp.gate_proj.bias'"));
        }
    }

    [TestCase("mlp.up_proj.weight_scale")]
    [TestCase("mlp.down_proj.weight_zero_point")]
    [TestCase("mlp.ffn_layernorm.weight")]
    [TestCase("mlp.gate_proj.lora_A.weight")]
    [TestCase("mlp.experts.0.up_proj.weight")]
    [TestCase("block_sparse_moe.gate.weight")]
    [TestCase("post_attention_layernorm.bias")]
    [TestCase("post_feedforward_layernorm.weight")]
    public void A_tensor_that_the_formula_has_no_place_for_is_refused_by_name(string stranger)
    {
        using var model = new TempModel(
            $$"""{"model_type":"llama",{{LlamaSizes}}}""",
            [
                .. LlamaTensors("model.layers.0."),
                ("model.layers.0.input_layernorm.weight", [2]), ("model.layers.0.self_attn.q_norm.weight", [2]), ("model.layers.0." + stranger, [1]),
            ]);
        Assert.That(
            () => model.Layer(0), Throws.TypeOf<CheckpointException>().With.Message.Contains($"has tensor 'model.layers.0.{stranger}', but"));
    }

    [Test]
    public void A_missing_norm_takes_only_the_block_away()
    {
        using var model = new TempModel($$"""{"model_type":"llama",{{LlamaSizes}}}""", LlamaTensors("model.layers.0.")[..3]);
        FfnCheckpointLayer layer = model.Layer(0);
        Assert.That(layer.Spec.WhyNoBlock, Does.Contain("'model.layers.0.post_attention_layernorm.weight'"));
        Assert.That(layer.Spec.HasNorms, Is.False);
        Assert.That(Weights.Read(layer, "down.weight"), Is.EqualTo(new[] { 13f, 14f, 15f, 16f, 17f, 18f }));
    }

    [TestCase("\"feed_forward_proj\":\"relu\",", "relu")]
    [TestCase("", "relu")]
    [TestCase("\"feed_forward_proj\":\"gelu\",", "gelu")]
    public void T5_1_0_is_plain(string keys, string activation)
    {
        using var model = new TempModel(
            $$"""{"model_type":"t5",{{keys}}"d_model":2,"d_ff":3,"num_layers":1}""",
            [("encoder.block.0.layer.1.DenseReluDense.wi.weight", [3, 2]), ("encoder.block.0.layer.1.DenseReluDense.wo.weight", [2, 3])]);
        Assert.That(model.Layer(0).Spec.Kind, Is.EqualTo(new FfnKind(false, ReferenceMath.Named(activation))));
        Assert.That(Weights.Read(model.Layer(0), "up.weight"), Is.EqualTo(new[] { 1f, 2f, 3f, 4f, 5f, 6f }));
    }

    [Test]
    public void T5_of_a_classifier_has_a_prefix_and_is_gated_act_decides()
    {
        const string path = "transformer.encoder.block.0.layer.1.DenseReluDense.";
        using var model = new TempModel(
            """{"model_type":"t5","feed_forward_proj":"gelu","dense_act_fn":"gelu","is_gated_act":true,"d_model":2,"d_ff":3,"num_layers":1}""",
            [(path + "wi_0.weight", [3, 2]), (path + "wi_1.weight", [3, 2]), (path + "wo.weight", [2, 3])]);
        Assert.That(model.Layer(0).Spec.Kind, Is.EqualTo(new FfnKind(true, ReferenceMath.Named("gelu"))));
        Assert.That(Weights.Read(model.Layer(0), "gate.weight"), Is.EqualTo(new[] { 1f, 2f, 3f, 4f, 5f, 6f }));
    }

    [TestCase("\"feed_forward_proj\":\"gated-gelu\"", "gelu-tanh")]
    [TestCase("\"feed_forward_proj\":\"gated-silu\"", "silu")]
    [TestCase("\"feed_forward_proj\":\"gated-gelu\",\"dense_act_fn\":\"gelu\"", "gelu")]
    public void T5_1_1_is_gated_and_counts_the_decoder_after_the_encoder(string key, string activation)
    {
        (string, long[])[] Layer(string path) =>
        [
            (path + "DenseReluDense.wi_0.weight", [3, 2]), (path + "DenseReluDense.wi_1.weight", [3, 2]), (path + "DenseReluDense.wo.weight", [2, 3]),
        ];
        using var model = new TempModel(
            $$"""{"model_type":"t5",{{key}},"d_model":2,"d_ff":3,"num_layers":1,"num_decoder_layers":2}""",
            [.. Layer("encoder.block.0.layer.1."), .. Layer("decoder.block.0.layer.2."), .. Layer("decoder.block.1.layer.2.")]);
        Assert.That(model.Open().LayerCount, Is.EqualTo(3));
        Assert.That(model.Layer(0).Spec.Kind, Is.EqualTo(new FfnKind(true, ReferenceMath.Named(activation))));
        Assert.That(Weights.Read(model.Layer(0), "gate.weight")[0], Is.EqualTo(1f));
        Assert.That(Weights.Read(model.Layer(1), "gate.weight")[0], Is.EqualTo(19f));
        Assert.That(Weights.Read(model.Layer(2), "up.weight")[0], Is.EqualTo(43f));
    }

    [TestCase("model.decoder.")]
    [TestCase("decoder.")]
    public void Opt_350m_has_its_norm_after_the_residual(string prefix)
    {
        string path = prefix + "layers.0.";
        using var model = new TempModel(
            """{"model_type":"opt","do_layer_norm_before":false,"hidden_size":2,"ffn_dim":3,"num_hidden_layers":1}""",
            [
                (path + "fc1.weight", [3, 2]), (path + "fc1.bias", [3]), (path + "fc2.weight", [2, 3]), (path + "fc2.bias", [2]),
                (path + "final_layer_norm.weight", [2]), (path + "final_layer_norm.bias", [2]),
            ]);
        FfnCheckpointLayer layer = model.Layer(0);
        Assert.That(layer.Spec.PreNorm, Is.Null);
        Assert.That(layer.Spec.PostNorm, Is.EqualTo(new NormSpec(NormKind.Layer, 1e-5f)));
        Assert.That(Weights.Read(layer, "post_norm.bias"), Is.EqualTo(new[] { 20f, 21f }));
    }

    [Test]
    public void Bert_norms_of_old_are_called_gamma_and_beta()
    {
        using var model = new TempModel(
            """{"model_type":"bert","hidden_size":2,"intermediate_size":3,"num_hidden_layers":1}""",
            [
                ("encoder.layer.0.intermediate.dense.weight", [3, 2]), ("encoder.layer.0.intermediate.dense.bias", [3]),
                ("encoder.layer.0.output.dense.weight", [2, 3]), ("encoder.layer.0.output.dense.bias", [2]),
                ("encoder.layer.0.output.LayerNorm.gamma", [2]), ("encoder.layer.0.output.LayerNorm.beta", [2]),
            ]);
        Assert.That(Weights.Read(model.Layer(0), "post_norm.weight"), Is.EqualTo(new[] { 18f, 19f }));
        Assert.That(Weights.Read(model.Layer(0), "post_norm.bias"), Is.EqualTo(new[] { 20f, 21f }));
    }

    [Test]
    public void Falcon_runs_beside_the_attention_or_after_it([Values("ln_mlp", "input_layernorm")] string norm)
    {
        (string, long[])[] tensors = [("transformer.h.0.mlp.dense_h_to_4h.weight", [8, 2]), ("transformer.h.0.mlp.dense_4h_to_h.weight", [2, 8])];
        using (var model = new TempModel(
            """{"model_type":"falcon","hidden_size":2,"num_hidden_layers":1,"bias":false}""",
            [.. tensors, ($"transformer.h.0.{norm}.weight", [2]), ($"transformer.h.0.{norm}.bias", [2])]))
        {
            FfnSpec spec = model.Layer(0).Spec;
            Assert.That((spec.Kind, spec.DFf, spec.Stages[0].HasBias), Is.EqualTo((FfnKind.Gelu, 8, false)));
            Assert.That(spec.PreNorm, Is.EqualTo(new NormSpec(NormKind.Layer, 1e-5f)), "of the layer's own input");
        }

        using (var model = new TempModel(
            """{"model_type":"falcon","hidden_size":2,"num_hidden_layers":1,"bias":true,"parallel_attn":false}""",
            [
                .. tensors, ("transformer.h.0.mlp.dense_h_to_4h.bias", [8]), ("transformer.h.0.mlp.dense_4h_to_h.bias", [2]),
                ("transformer.h.0.post_attention_layernorm.weight", [2]), ("transformer.h.0.post_attention_layernorm.bias", [2]),
            ]))
        {
            FfnSpec spec = model.Layer(0).Spec;
            Assert.That(spec.Stages[0].HasBias, Is.True);
            Assert.That(spec.PreNorm, Is.EqualTo(new NormSpec(NormKind.Layer, 1e-5f)));
        }
    }

    [TestCase("", 1e-5f, "relu2", false)]
    [TestCase("\"mlp_bias\":true,\"rms_norm_eps\":1e-6,\"hidden_act\":\"relu\",", 1e-6f, "relu", true)]
    public void Arcee_is_plain_by_llamas_names(string keys, float epsilon, string activation, bool bias)
    {
        const string path = "model.layers.0.";
        (string, long[])[] biases = bias ? [(path + "mlp.up_proj.bias", [3]), (path + "mlp.down_proj.bias", [2])] : [];
        using var model = new TempModel(
            $$"""{"model_type":"arcee",{{keys}}{{LlamaSizes}}}""",
            [(path + "mlp.up_proj.weight", [3, 2]), (path + "mlp.down_proj.weight", [2, 3]), (path + "post_attention_layernorm.weight", [2]), .. biases]);
        FfnCheckpointLayer layer = model.Layer(0);
        Assert.That((layer.Spec.Kind, layer.Spec.Stages[0].HasBias), Is.EqualTo((new FfnKind(false, ReferenceMath.Named(activation)), bias)));
        Assert.That(layer.Spec.PreNorm, Is.EqualTo(new NormSpec(NormKind.Rms, epsilon)));
        Assert.That(Weights.Read(layer, "down.weight"), Is.EqualTo(new[] { 7f, 8f, 9f, 10f, 11f, 12f }));
    }

    // Larger than a band, so that rows come from several; the widths are odd to meet every edge.
    [TestCase(700, 2100, 1)]
    [TestCase(700, 2100, 64)]
    [TestCase(700, 2100, int.MaxValue)]
    [TestCase(5, 3, 2)]
    public void Gpt2_matrices_are_turned_while_they_are_read(int width, int inner, int rowsAtATime)
    {
        using var model = new TempModel(
            $$"""{"model_type":"gpt2","n_embd":{{width}},"n_inner":{{inner}},"n_layer":1}""",
            [
                ("transformer.h.0.mlp.c_fc.weight", [width, inner]), ("transformer.h.0.mlp.c_fc.bias", [inner]),
                ("transformer.h.0.mlp.c_proj.weight", [inner, width]), ("transformer.h.0.mlp.c_proj.bias", [width]),
            ]);
        FfnCheckpointLayer layer = model.Layer(0);
        float[] stored = [.. Enumerable.Range(1, width * inner).Select(static i => (float)i)];
        Assert.That(Weights.Read(layer, "up.weight", rowsAtATime).AsSpan().SequenceEqual(Weights.Transposed(stored, width)));
        stored = [.. Enumerable.Range(1 + (width * inner) + inner, width * inner).Select(static i => (float)i)];
        Assert.That(Weights.Read(layer, "down.weight", rowsAtATime).AsSpan().SequenceEqual(Weights.Transposed(stored, inner)));
    }

    // 2 rows of 3 are stored; whoever keeps bfloat16 gets the bits, turned.
    [TestCase("BF16", "bf16")]
    [TestCase("F16", "f16")]
    public void Weights_of_16_bits_are_handed_out_as_they_are_stored(string type, string encoding)
    {
        byte[] bytes = [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0];
        using var model = new TempModel(
            """{"model_type":"gpt2","n_embd":2,"n_inner":3,"n_layer":1}""",
            RawCheckpoint.File(
                ("h.0.mlp.c_fc.weight", type, [2, 3], bytes), ("h.0.mlp.c_fc.bias", type, [3], bytes[..6]),
                ("h.0.mlp.c_proj.weight", type, [3, 2], bytes), ("h.0.mlp.c_proj.bias", type, [2], bytes[..4])));
        FfnCheckpointLayer layer = model.Layer(0);
        var weights = (IEncodedWeightSource)layer.Weights;
        byte[] rows = new byte[8];
        weights.ReadBlocks(layer.Spec.Tensors[0], 1, rows);
        Assert.That(layer.Spec.Tensors.Select(tensor => weights.EncodingOf(tensor).Name), Is.All.EqualTo(encoding));
        Assert.That(rows, Is.EqualTo(new byte[] { 2, 0, 5, 0, 3, 0, 6, 0 }));
        Assert.That(() => weights.ReadBlocks(layer.Spec.Tensors[0], 0, new byte[3]), Throws.ArgumentException);
        Assert.That(() => weights.ReadBlocks(layer.Spec.Tensors[0], 2, new byte[8]), Throws.ArgumentException);
    }

    [Test]
    public void Threads_may_read_one_turned_matrix_at_the_same_time()
    {
        const int width = 700;
        const int inner = 2100;
        using var model = new TempModel(
            $$"""{"model_type":"gpt2","n_embd":{{width}},"n_inner":{{inner}},"n_layer":1}""",
            [
                ("h.0.mlp.c_fc.weight", [width, inner]), ("h.0.mlp.c_fc.bias", [inner]),
                ("h.0.mlp.c_proj.weight", [inner, width]), ("h.0.mlp.c_proj.bias", [width]),
            ]);
        FfnCheckpointLayer layer = model.Layer(0);
        float[] expected = Weights.Read(layer, "up.weight");
        bool[] same = new bool[8];
        Parallel.For(0, same.Length, i => same[i] = Weights.Read(layer, "up.weight", rowsAtATime: 50 + i).AsSpan().SequenceEqual(expected));
        Assert.That(same, Is.All.True);
    }

    private static (string Name, long[] Shape)[] LlamaTensors(string path) =>
    [
        (path + "mlp.gate_proj.weight", [3, 2]), (path + "mlp.up_proj.weight", [3, 2]), (path + "mlp.down_proj.weight", [2, 3]),
        (path + "post_attention_layernorm.weight", [2]),
    ];
}
