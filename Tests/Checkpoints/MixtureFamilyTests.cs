using System.Text;
using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Mixtures of experts that no golden case shows. d_model is 2, an expert's d_ff 3, a dense d_ff 4; elements count up through the file.</summary>
[TestFixture]
public sealed class MixtureFamilyTests
{
    private const string Mixtral = "\"model_type\":\"mixtral\",\"hidden_size\":2,\"intermediate_size\":3,\"num_hidden_layers\":1";
    private const string MixtralExperts = Mixtral + ",\"num_local_experts\":2,\"num_experts_per_tok\":1";

    private const string Sizes = "\"hidden_size\":2,\"intermediate_size\":4,\"moe_intermediate_size\":3";
    private const string Qwen2 = "\"model_type\":\"qwen2_moe\"," + Sizes + ",\"shared_expert_intermediate_size\":5,\"num_experts\":4,\"num_experts_per_tok\":2";
    private const string Qwen3 = "\"model_type\":\"qwen3_moe\"," + Sizes + ",\"num_experts\":4,\"num_experts_per_tok\":2";
    private const string DeepSeek = "\"model_type\":\"deepseek_v3\"," + Sizes + ",\"n_routed_experts\":4,\"num_experts_per_tok\":2,\"n_group\":2,\"topk_group\":1";

    [Test]
    public void Stacked_experts_are_those_one_by_one([Values(0, 1)] int expert)
    {
        using var model = new TempModel(
            $$"""{{{MixtralExperts}}}""",
            ("model.layers.0.mlp.gate.weight", [2, 2]),
            ("model.layers.0.mlp.experts.gate_up_proj", [2, 6, 2]),
            ("model.layers.0.mlp.experts.down_proj", [2, 2, 3]),
            ("model.layers.0.post_attention_layernorm.weight", [2]));
        FfnCheckpointLayer layer = model.Layer(0);
        Assert.That(Weights.Read(layer, "router.weight"), Is.EqualTo(Count(1, 4)));
        Assert.That(Weights.Read(layer, $"experts.{expert}.gate.weight", rowsAtATime: 2), Is.EqualTo(Count(5 + (12 * expert), 6)));
        Assert.That(Weights.Read(layer, $"experts.{expert}.up.weight", rowsAtATime: 2), Is.EqualTo(Count(11 + (12 * expert), 6)));
        Assert.That(Weights.Read(layer, $"experts.{expert}.down.weight"), Is.EqualTo(Count(29 + (6 * expert), 6)));
        Assert.That(Weights.Read(layer, "pre_norm.weight"), Is.EqualTo(Count(41, 2)));
    }

    [TestCase("")]
    [TestCase("model.")]
    public void Qwen3_has_no_shared_expert_and_both_forms(string prefix)
    {
        string path = prefix + "layers.0.";
        using var oneByOne = new TempModel($$"""{{{Qwen3}},"num_hidden_layers":1,"norm_topk_prob":true}""", [.. Router(path), .. Experts(path, 4)]);
        using var stacked = new TempModel(
            $$"""{{{Qwen3}},"num_hidden_layers":1}""",
            [.. Router(path), (path + "mlp.experts.gate_up_proj", [4, 6, 2]), (path + "mlp.experts.down_proj", [4, 2, 3])]);
        Assert.That(oneByOne.Layer(0).Spec.Mixture, Is.EqualTo(new MixtureSpec(4, 2) { Renormalize = true }));
        Assert.That(stacked.Layer(0).Spec.Mixture, Is.EqualTo(new MixtureSpec(4, 2) { Renormalize = false }));
        Assert.That(oneByOne.Layer(0).Spec.DFf, Is.EqualTo(3));
        Assert.That(Weights.Read(oneByOne.Layer(0), "experts.3.down.weight"), Is.EqualTo(Count(9 + (3 * 18) + 12, 6)));
        Assert.That(Weights.Read(stacked.Layer(0), "experts.3.down.weight"), Is.EqualTo(Count(9 + 48 + 18, 6)));
    }

    // The last of every two layers, but not layer 3.
    [Test]
    public void Qwen_mixes_dense_layers_and_mixtures()
    {
        using var model = new TempModel(
            $$"""{{{Qwen2}},"num_hidden_layers":5,"decoder_sparse_step":2,"mlp_only_layers":[3,77]}""",
            [
                .. Dense("model.layers.0."), .. Qwen2Mixture("model.layers.1."), .. Dense("model.layers.2."), .. Dense("model.layers.3."),
                .. Dense("model.layers.4."),
            ]);
        var mixture = new MixtureSpec(4, 2) { Renormalize = false, SharedDFf = 5, HasSharedGate = true };
        Assert.That(
            Enumerable.Range(0, 5).Select(layer => (model.Layer(layer).Spec.DFf, model.Layer(layer).Spec.Mixture)),
            Is.EqualTo(new[] { (4, null), (3, mixture), (4, null), (4, (MixtureSpec?)null), (4, null) }));
        Assert.That(Weights.Read(model.Layer(1), "shared_gate.weight"), Is.EqualTo(Count(25 + 8 + 72 + 30, 2)));
    }

    [Test]
    public void DeepSeek_starts_dense_and_has_all_that_a_router_can_have()
    {
        using var model = new TempModel(
            $$"""{{{DeepSeek}},"num_hidden_layers":4,"first_k_dense_replace":1,"moe_layer_freq":2,"n_shared_experts":2,"scoring_func":"sigmoid","topk_method":"noaux_tc","routed_scaling_factor":1.5}""",
            [
                .. Dense("model.layers.0."), .. Dense("model.layers.1."), .. DeepSeekMixture("model.layers.2.", sharedDFf: 6), .. Dense("model.layers.3."),
            ]);
        Assert.That(model.Layer(0).Spec.Mixture, Is.Null);
        Assert.That(model.Layer(1).Spec.Mixture, Is.Null);
        Assert.That(model.Layer(3).Spec.Mixture, Is.Null);
        FfnCheckpointLayer layer = model.Layer(2);
        Assert.That(layer.Spec.Mixture, Is.EqualTo(new MixtureSpec(4, 2)
        {
            Scoring = RouterScoring.Sigmoid,
            Renormalize = true,
            HasSelectionBias = true,
            Groups = 2,
            TopGroups = 1,
            Scaling = 1.5f,
            SharedDFf = 6,
        }));
        Assert.That(Weights.Read(layer, "router.selection_bias"), Is.EqualTo(Count(48 + 1 + 8, 4)));
        Assert.That(Weights.Read(layer, "shared.down.weight"), Is.EqualTo(Count(48 + 1 + 12 + 72 + 24, 12)));
    }

    [Test]
    public void DeepSeek_has_its_own_defaults_and_may_do_without_a_shared_expert()
    {
        string config = DeepSeek.Replace(",\"n_group\":2,\"topk_group\":1", "", StringComparison.Ordinal)
            .Replace("\"n_routed_experts\":4", "\"n_routed_experts\":16", StringComparison.Ordinal);
        using var model = new TempModel(
            $$"""{{{config}},"num_hidden_layers":4,"n_shared_experts":0,"norm_topk_prob":false}""",
            [
                .. Dense("model.layers.2."), ("model.layers.3.mlp.gate.weight", [16, 2]), ("model.layers.3.mlp.gate.e_score_correction_bias", [16]),
                .. Experts("model.layers.3.", 16),
            ]);
        Assert.That(model.Layer(2).Spec.Mixture, Is.Null, "the first three are dense");
        Assert.That(model.Layer(3).Spec.Mixture, Is.EqualTo(new MixtureSpec(16, 2)
        {
            Scoring = RouterScoring.Sigmoid, Renormalize = false, HasSelectionBias = true, Groups = 8, TopGroups = 4, Scaling = 2.5f,
        }));
    }

    [TestCase("\"num_experts\":2,\"num_experts_per_tok\":1")]
    [TestCase("\"num_local_experts\":2,\"num_experts\":2,\"num_experts_per_tok\":1")]
    public void Experts_may_be_counted_under_another_familys_name(string keys)
    {
        using var model = new TempModel($$"""{{{Mixtral}},{{keys}}}""", MixtralTensors());
        Assert.That(model.Layer(0).Spec.Mixture, Is.EqualTo(new MixtureSpec(2, 1)));
    }

    [TestCase(Mixtral + ",\"num_experts_per_tok\":1", "has no 'num_local_experts'")]
    [TestCase(Mixtral + ",\"num_local_experts\":2", "has no 'num_experts_per_tok'")]
    [TestCase(Mixtral + ",\"num_local_experts\":2,\"num_experts_per_tok\":3", "A token goes to 1 to 2 experts of 2; top-k is 3")]
    [TestCase(Mixtral + ",\"num_local_experts\":2,\"num_experts_per_tok\":0", "'num_experts_per_tok' is '0'")]
    [TestCase(Mixtral + ",\"num_local_experts\":0,\"num_experts_per_tok\":1", "'num_local_experts' is '0'")]
    [TestCase(Mixtral + ",\"num_local_experts\":4097,\"num_experts_per_tok\":1", "A mixture has 1 to 4096 experts; 4097 were asked for")]
    [TestCase(Mixtral + ",\"num_local_experts\":2,\"num_experts\":3,\"num_experts_per_tok\":1", "'num_local_experts' is 2, but 'num_experts' is 3")]
    [TestCase(Qwen2 + ",\"num_hidden_layers\":1,\"norm_topk_prob\":1", "'norm_topk_prob' is '1'; it must be true or false")]
    [TestCase(Qwen2 + ",\"num_hidden_layers\":1,\"decoder_sparse_step\":0", "'decoder_sparse_step' is '0'")]
    [TestCase(Qwen2 + ",\"num_hidden_layers\":1,\"mlp_only_layers\":1", "'mlp_only_layers' is '1'; it must be a list of integers")]
    [TestCase(Qwen2 + ",\"num_hidden_layers\":1,\"mlp_only_layers\":[0,-1]", "'mlp_only_layers' is '-1'; it must be in a list of integers")]
    [TestCase(Qwen2 + ",\"num_hidden_layers\":1,\"mlp_only_layers\":[[]]", "'mlp_only_layers' is an array; it must be in a list of integers")]
    [TestCase("\"model_type\":\"qwen2_moe\"," + Sizes + ",\"num_experts\":4,\"num_experts_per_tok\":2,\"num_hidden_layers\":1", "has no 'shared_expert_intermediate_size'")]
    [TestCase("\"model_type\":\"qwen2_moe\",\"hidden_size\":16777216,\"intermediate_size\":1,\"moe_intermediate_size\":1,\"shared_expert_intermediate_size\":16777216,\"num_experts\":4,\"num_experts_per_tok\":2,\"num_hidden_layers\":1", "asks for a shared expert of 16777216 x 16777216")]
    [TestCase(DeepSeek + ",\"num_hidden_layers\":1", "has no 'n_shared_experts'")]
    [TestCase("\"model_type\":\"deepseek_v3\",\"hidden_size\":2,\"intermediate_size\":4,\"moe_intermediate_size\":16777216,\"n_routed_experts\":16,\"num_experts_per_tok\":2,\"n_shared_experts\":16777216", "asks for a shared expert of 281474976710656 x 2 elements; the limit")]
    [TestCase(DeepSeek + ",\"n_shared_experts\":1,\"scoring_func\":\"softmax\"", "'scoring_func' is 'softmax'; supported is 'sigmoid' alone")]
    [TestCase(DeepSeek + ",\"n_shared_experts\":1,\"topk_method\":\"group_limited_greedy\"", "'topk_method' is 'group_limited_greedy'; supported is 'noaux_tc' alone")]
    [TestCase(DeepSeek + ",\"n_shared_experts\":1,\"routed_scaling_factor\":1e39", "'routed_scaling_factor' is '1e39'; it must be a finite number")]
    [TestCase(DeepSeek + ",\"n_shared_experts\":1,\"routed_scaling_factor\":\"2\"", "'routed_scaling_factor' is '\"2\"'; it must be a finite number")]
    [TestCase(DeepSeek + ",\"n_shared_experts\":-1", "'n_shared_experts' is '-1'; it must be an integer from 0")]
    [TestCase(DeepSeek + ",\"n_shared_experts\":1,\"num_hidden_layers\":1,\"moe_layer_freq\":[0,1]", "'moe_layer_freq' is an array")]
    public void A_configuration_that_contradicts_itself_is_refused(string config, string problem)
    {
        using var model = new TempModel("{" + config + "}", MixtralTensors());
        AssertRefused(() => model.Open(), "config.json: ", problem);
    }

    [TestCase("\"n_group\":2", "\"n_group\":3", "4 experts cannot be cut into 3 groups")]
    [TestCase("\"n_group\":2", "\"n_group\":4", "4 groups of 4 experts have but one each")]
    [TestCase("\"topk_group\":1", "\"topk_group\":3", "top groups is 3")]
    [TestCase("\"num_experts_per_tok\":2", "\"num_experts_per_tok\":3", "1 of 2 groups have 2 of 4 experts; top-k is 3")]
    public void Groups_that_do_not_fit_are_refused(string key, string instead, string problem)
    {
        using var model = new TempModel(
            $$"""{{{DeepSeek.Replace(key, instead, StringComparison.Ordinal)}},"n_shared_experts":1,"num_hidden_layers":1}""", MixtralTensors());
        AssertRefused(() => model.Open(), "config.json: ", problem);
    }

    [TestCase("block_sparse_moe.gate", "has no tensor 'model.layers.0.block_sparse_moe.gate.weight', which layer 0 needs")]
    [TestCase("experts.0.w1", "has no tensor 'model.layers.0.block_sparse_moe.experts.0.w1.weight', a part of expert 0, which layer 0 needs")]
    [TestCase("experts.1.w1", "has no tensor 'model.layers.0.block_sparse_moe.experts.1.w1.weight', a part of expert 1, which layer 0 needs")]
    [TestCase("experts.1.w2", "has no tensor 'model.layers.0.block_sparse_moe.experts.1.w2.weight', a part of expert 1, which layer 0 needs")]
    [TestCase("experts", "has no tensor 'model.layers.0.block_sparse_moe.experts.0.w1.weight', under this or another of the family's names, which layer 0 needs")]
    public void A_missing_part_of_a_mixture_is_named(string missing, string problem)
    {
        using var model = new TempModel(
            $$"""{{{MixtralExperts}}}""", [.. MixtralTensors().Where(tensor => !tensor.Name.Contains(missing, StringComparison.Ordinal))]);
        AssertRefused(() => model.Layer(0), "model.safetensors: ", problem);
    }

    [Test]
    public void DeepSeeks_bias_must_be_there()
    {
        using var model = new TempModel(
            $$"""{{{DeepSeek}},"num_hidden_layers":1,"first_k_dense_replace":0,"n_shared_experts":0}""", [.. Router("model.layers.0."), .. Experts("model.layers.0.", 4)]);
        AssertRefused(() => model.Layer(0), "model.safetensors: ", "has no tensor 'model.layers.0.mlp.gate.e_score_correction_bias'");
    }

    [TestCase("block_sparse_moe.gate.weight", new long[] { 2, 3 }, "has shape [2, 3]; the configuration asks for [2, 2]")]
    [TestCase("block_sparse_moe.gate.weight", new long[] { 3, 2 }, "has shape [3, 2]; the configuration asks for [2, 2]")]
    [TestCase("experts.1.w2.weight", new long[] { 3, 2 }, "experts.1.w2.weight' has shape [3, 2]; the configuration asks for [2, 3]")]
    public void A_part_of_another_shape_is_named(string part, long[] shape, string problem)
    {
        using var model = new TempModel(
            $$"""{{{MixtralExperts}}}""",
            [.. MixtralTensors().Select(tensor => tensor.Name.EndsWith(part, StringComparison.Ordinal) ? (tensor.Name, shape) : tensor)]);
        AssertRefused(() => model.Layer(0), "model.safetensors: ", problem);
    }

    [TestCase(new long[] { 3, 6, 2 })]
    [TestCase(new long[] { 2, 2, 6 })]
    [TestCase(new long[] { 12, 2 })]
    public void A_stack_of_another_shape_is_named(long[] shape)
    {
        using var model = new TempModel(
            $$"""{{{MixtralExperts}}}""",
            ("model.layers.0.mlp.gate.weight", [2, 2]), ("model.layers.0.mlp.experts.gate_up_proj", shape), ("model.layers.0.mlp.experts.down_proj", [2, 2, 3]));
        AssertRefused(() => model.Layer(0), "model.safetensors: ", $"has shape [{string.Join(", ", shape)}]; the configuration asks for [2, 6, 2]");
    }

    // Each would make every number a little wrong, were it left out.
    [TestCase("block_sparse_moe.gate.bias")]
    [TestCase("block_sparse_moe.gate.e_score_correction_bias")]
    [TestCase("block_sparse_moe.experts.1.w3.bias")]
    [TestCase("block_sparse_moe.experts.2.w1.weight")]
    public void A_tensor_that_the_formula_has_no_place_for_is_refused(string name)
    {
        using var model = new TempModel($$"""{{{MixtralExperts}}}""", [.. MixtralTensors(), ("model.layers.0." + name, [2])]);
        AssertRefused(() => model.Layer(0), "model.safetensors: ", $"has tensor 'model.layers.0.{name}', but its configuration means layers without it");
    }

    [Test]
    public void A_shared_expert_that_the_configuration_does_not_count_is_refused()
    {
        using var model = new TempModel(
            $$"""{{{DeepSeek}},"num_hidden_layers":1,"first_k_dense_replace":0,"n_shared_experts":0}""", DeepSeekMixture("model.layers.0.", sharedDFf: 3));
        AssertRefused(() => model.Layer(0), "model.safetensors: ", "has tensor 'model.layers.0.mlp.shared_experts.down_proj.weight'");
    }

    // As many layers and experts as the largest models have: a search through all tensors for each of them would take minutes.
    [Test]
    [CancelAfter(60_000)]
    public void Layers_of_256_experts_are_found_by_name()
    {
        const int layers = 60;
        var header = new StringBuilder("{");
        long offset = 0;
        foreach ((string name, long[] shape) in Enumerable.Range(0, layers).SelectMany(static layer => LargeMixture($"model.layers.{layer}.")))
        {
            long end = offset + (4 * shape.Aggregate(1L, static (a, b) => a * b));
            header.Append(offset > 0 ? "," : "").Append($$"""{{'"'}}{{name}}":{"dtype":"F32","shape":[{{string.Join(',', shape)}}],"data_offsets":[{{offset}},{{end}}]}""");
            offset = end;
        }

        using var model = new TempModel(
            $$"""{"model_type":"qwen3_moe","hidden_size":1,"intermediate_size":1,"moe_intermediate_size":1,"num_experts":256,"num_experts_per_tok":8,"num_hidden_layers":{{layers}}}""",
            RawCheckpoint.File(header.Append('}').ToString(), (int)offset));
        for (int layer = 0; layer < layers; layer++)
        {
            Assert.That(model.Layer(layer).Spec.Mixture!.Experts, Is.EqualTo(256));
        }
    }

    private static (string Name, long[] Shape)[] MixtralTensors() =>
    [
        ("model.layers.0.block_sparse_moe.gate.weight", [2, 2]),
        .. Enumerable.Range(0, 2).SelectMany(static expert => new (string, long[])[]
        {
            ($"model.layers.0.block_sparse_moe.experts.{expert}.w1.weight", [3, 2]),
            ($"model.layers.0.block_sparse_moe.experts.{expert}.w3.weight", [3, 2]),
            ($"model.layers.0.block_sparse_moe.experts.{expert}.w2.weight", [2, 3]),
        }),
    ];

    private static (string Name, long[] Shape)[] Qwen2Mixture(string path) =>
        [.. Router(path), .. Experts(path, 4), .. Network(path + "mlp.shared_expert.", 5), (path + "mlp.shared_expert_gate.weight", [1, 2])];

    private static (string Name, long[] Shape)[] DeepSeekMixture(string path, int sharedDFf) =>
        [.. Router(path), (path + "mlp.gate.e_score_correction_bias", [4]), .. Experts(path, 4), .. Network(path + "mlp.shared_experts.", sharedDFf)];

    private static (string Name, long[] Shape)[] LargeMixture(string path) =>
    [
        (path + "mlp.gate.weight", [256, 1]),
        .. Enumerable.Range(0, 256).SelectMany(expert => new[] { "gate", "up", "down" }.Select(part => ($"{path}mlp.experts.{expert}.{part}_proj.weight", new long[] { 1, 1 }))),
    ];

    private static (string Name, long[] Shape)[] Router(string path) => [(path + "mlp.gate.weight", [4, 2])];

    private static (string Name, long[] Shape)[] Dense(string path) => Network(path + "mlp.", 4);

    private static (string Name, long[] Shape)[] Experts(string path, int count) =>
        [.. Enumerable.Range(0, count).SelectMany(expert => Network($"{path}mlp.experts.{expert}.", 3))];

    private static (string Name, long[] Shape)[] Network(string path, int dFf) =>
        [(path + "gate_proj.weight", [dFf, 2]), (path + "up_proj.weight", [dFf, 2]), (path + "down_proj.weight", [2, dFf])];

    private static float[] Count(int first, int count) => [.. Enumerable.Range(first, count).Select(static number => (float)number)];

    private static void AssertRefused(Action action, string file, string problem)
    {
        CheckpointException refusal = Assert.Throws<CheckpointException>(action)!;
        Assert.That(refusal.Message, Does.Contain(file).And.Contain(problem).And.Not.Contain('\n'));
    }
}
