using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Each golden checkpoint is understood: formula, shapes, norms, and every tensor from where its family keeps it.</summary>
[TestFixture]
public sealed class GoldenCheckpointTests
{
    private static readonly string[] Mixtures = ["mixtral", "qwen2_moe"];

    private static IEnumerable<TestCaseData> DenseCases()
    {
        yield return Case("llama", FfnKind.SwiGlu, "F32", pre: new NormSpec(NormKind.Rms, 1e-5f));
        yield return Case("llama-bf16", FfnKind.SwiGlu, "BF16", pre: new NormSpec(NormKind.Rms, 1e-5f));
        yield return Case("llama-f16-sharded", FfnKind.SwiGlu, "F16", pre: new NormSpec(NormKind.Rms, 1e-5f));
        yield return Case("qwen2", FfnKind.SwiGlu, "F32", pre: new NormSpec(NormKind.Rms, 1e-6f));
        yield return Case("gemma", FfnKind.GeGluTanh, "F32", pre: new NormSpec(NormKind.Rms, 1e-6f) { WeightOffset = 1 });
        yield return Case("phi3", FfnKind.SwiGlu, "F32", pre: new NormSpec(NormKind.Rms, 1e-5f));
        yield return Case("gpt2", FfnKind.GeluTanh, "F32", bias: true, pre: new NormSpec(NormKind.Layer, 1e-5f));
        yield return Case("opt", FfnKind.Relu, "F32", bias: true, pre: new NormSpec(NormKind.Layer, 1e-5f));
        yield return Case("bert", FfnKind.Gelu, "F32", bias: true, post: new NormSpec(NormKind.Layer, 1e-12f));
        yield return Case("t5-v1_1", FfnKind.GeGluTanh, "F32", pre: new NormSpec(NormKind.Rms, 1e-6f));
    }

    [Test]
    public void Every_case_has_an_expectation_here() => Assert.That(
        DenseCases().Select(static data => (string)data.Arguments[0]!).Concat(Mixtures), Is.EquivalentTo(GoldenCases.All.Select(static found => found.Name)));

    [TestCaseSource(nameof(DenseCases))]
    public void A_dense_layer_is_understood(string name, FfnKind kind, string type, bool bias, NormSpec? pre, NormSpec? post)
    {
        GoldenCase golden = GoldenCases.Find(name);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(golden.Directory);
        FfnCheckpointLayer layer = checkpoint.GetLayer(golden.Layer);

        Assert.That(checkpoint.ModelType, Is.EqualTo(golden.ModelType));
        Assert.That(layer.Index, Is.EqualTo(golden.Layer));
        Assert.That(layer.WeightType, Is.EqualTo(type));
        Assert.That((layer.Spec.DModel, layer.Spec.DFf), Is.EqualTo((golden.DModel, golden.DFf)));
        Assert.That(layer.Spec.Kind, Is.EqualTo(kind));
        Assert.That(layer.Spec.Stages.All(stage => stage.HasBias == bias));
        Assert.That(layer.Spec.PreNorm, Is.EqualTo(pre));
        Assert.That(layer.Spec.BranchNorm, Is.Null);
        Assert.That(layer.Spec.PostNorm, Is.EqualTo(post));
        Assert.That(layer.Spec.WhyNoBlock, Is.Null);
        Assert.That(layer.Spec.Tensors, Has.Length.EqualTo(Expected(golden).Count));
        foreach ((string tensor, float[] expected) in Expected(golden))
        {
            Assert.That(Weights.Read(layer, tensor), Is.EqualTo(expected), tensor);
            Assert.That(Weights.Read(layer, tensor, rowsAtATime: 7), Is.EqualTo(expected), tensor + " in blocks");
        }
    }

    [Test]
    public void Mixtral_is_understood() => AssertMixture(
        "mixtral",
        expertDFf: 128,
        new NormSpec(NormKind.Rms, 1e-5f),
        new MixtureSpec(4, 2) { Scoring = RouterScoring.Softmax, Renormalize = true },
        "block_sparse_moe.gate.weight",
        static tensor => $"block_sparse_moe.experts.{tensor.Expert}.{(tensor.Stage == 1 ? "w2" : tensor.Role == FfnTensorRole.UpWeight ? "w3" : "w1")}.weight");

    [Test]
    public void Qwen2_moe_is_understood() => AssertMixture(
        "qwen2_moe",
        expertDFf: 64,
        new NormSpec(NormKind.Rms, 1e-6f),
        new MixtureSpec(4, 2) { Scoring = RouterScoring.Softmax, Renormalize = false, SharedDFf = 128, HasSharedGate = true },
        "mlp.gate.weight",
        static tensor => tensor.Role == FfnTensorRole.SharedGateWeight
            ? "mlp.shared_expert_gate.weight"
            : "mlp." + tensor.Name.Replace("shared.", "shared_expert.", StringComparison.Ordinal).Replace(".weight", "_proj.weight", StringComparison.Ordinal));

    private static void AssertMixture(
        string name, int expertDFf, NormSpec norm, MixtureSpec mixture, string router, Func<FfnTensor, string> nameInFile)
    {
        GoldenCase golden = GoldenCases.Find(name);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(golden.Directory);
        FfnCheckpointLayer layer = checkpoint.GetLayer(golden.Layer);
        Assert.That((layer.Spec.DModel, layer.Spec.DFf, layer.Spec.Kind), Is.EqualTo((golden.DModel, expertDFf, FfnKind.SwiGlu)));
        Assert.That(layer.Spec.Mixture, Is.EqualTo(mixture));
        Assert.That(layer.Spec.PreNorm, Is.EqualTo(norm));
        Assert.That(layer.WeightType, Is.EqualTo("F32"));
        foreach (FfnTensor tensor in layer.Spec.Tensors)
        {
            string stored = tensor.Role switch
            {
                FfnTensorRole.RouterWeight => router,
                FfnTensorRole.PreNormWeight => "post_attention_layernorm.weight",
                _ => nameInFile(tensor),
            };
            Assert.That(Weights.Read(layer, tensor.Name, rowsAtATime: 7), Is.EqualTo(golden.ReadWeight($"model.layers.{golden.Layer}.{stored}")), tensor.Name);
        }
    }

    private static TestCaseData Case(string name, FfnKind kind, string type, bool bias = false, NormSpec? pre = null, NormSpec? post = null) =>
        new TestCaseData(name, kind, type, bias, pre, post).SetArgDisplayNames(name);

    // What each tensor of the layer must hold, by the names that the families are known to use.
    private static Dictionary<string, float[]> Expected(GoldenCase golden)
    {
        int i = golden.Layer;
        float[] Read(string name) => golden.ReadWeight(name);
        string llama = $"model.layers.{i}.";
        string t5 = $"encoder.block.{i}.layer.1.";
        string bert = $"bert.encoder.layer.{i}.";
        string opt = $"model.decoder.layers.{i}.";
        return golden.ModelType switch
        {
            "gpt2" => new()
            {
                ["up.weight"] = Weights.Transposed(Read($"h.{i}.mlp.c_fc.weight"), golden.DModel),
                ["up.bias"] = Read($"h.{i}.mlp.c_fc.bias"),
                ["down.weight"] = Weights.Transposed(Read($"h.{i}.mlp.c_proj.weight"), golden.DFf),
                ["down.bias"] = Read($"h.{i}.mlp.c_proj.bias"),
                ["pre_norm.weight"] = Read($"h.{i}.ln_2.weight"),
                ["pre_norm.bias"] = Read($"h.{i}.ln_2.bias"),
            },
            "bert" => new()
            {
                ["up.weight"] = Read(bert + "intermediate.dense.weight"),
                ["up.bias"] = Read(bert + "intermediate.dense.bias"),
                ["down.weight"] = Read(bert + "output.dense.weight"),
                ["down.bias"] = Read(bert + "output.dense.bias"),
                ["post_norm.weight"] = Read(bert + "output.LayerNorm.weight"),
                ["post_norm.bias"] = Read(bert + "output.LayerNorm.bias"),
            },
            "opt" => new()
            {
                ["up.weight"] = Read(opt + "fc1.weight"),
                ["up.bias"] = Read(opt + "fc1.bias"),
                ["down.weight"] = Read(opt + "fc2.weight"),
                ["down.bias"] = Read(opt + "fc2.bias"),
                ["pre_norm.weight"] = Read(opt + "final_layer_norm.weight"),
                ["pre_norm.bias"] = Read(opt + "final_layer_norm.bias"),
            },
            "t5" => new()
            {
                ["gate.weight"] = Read(t5 + "DenseReluDense.wi_0.weight"),
                ["up.weight"] = Read(t5 + "DenseReluDense.wi_1.weight"),
                ["down.weight"] = Read(t5 + "DenseReluDense.wo.weight"),
                ["pre_norm.weight"] = Read(t5 + "layer_norm.weight"),
            },
            "phi3" => new()
            {
                ["gate.weight"] = Read(llama + "mlp.gate_up_proj.weight")[..(golden.DFf * golden.DModel)],
                ["up.weight"] = Read(llama + "mlp.gate_up_proj.weight")[(golden.DFf * golden.DModel)..],
                ["down.weight"] = Read(llama + "mlp.down_proj.weight"),
                ["pre_norm.weight"] = Read(llama + "post_attention_layernorm.weight"),
            },
            _ => new()
            {
                ["gate.weight"] = Read(llama + "mlp.gate_proj.weight"),
                ["up.weight"] = Read(llama + "mlp.up_proj.weight"),
                ["down.weight"] = Read(llama + "mlp.down_proj.weight"),
                ["pre_norm.weight"] = Read(llama + "post_attention_layernorm.weight"),
            },
        };
    }
}
