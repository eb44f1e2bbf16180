using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Architectures of GGUF that are not their row alone. d_model is 2 and d_ff 3.</summary>
[TestFixture]
public sealed class GgufArchitectureTests
{
    [Test]
    public void The_learned_numbers_of_apertus_are_metadata_of_each_layer()
    {
        ActivationParameters? numbers = Layer(Model("apertus", layers: 2)
            .Key("xielu.alpha_p", 9, Floats(9, 0)).Key("xielu.alpha_n", 9, Floats(9, 0))
            .Key("xielu.beta", 9, Floats(9, 0.25f)).Key("xielu.eps", -1e-3f), 1).Spec.Kind.Parameters;

        // softplus(0) is ln 2.
        Assert.That(numbers!.PositiveAlpha, Is.EqualTo(MathF.Log(2)).Within(1).Ulps);
        Assert.That(numbers.NegativeAlpha, Is.EqualTo(0.25f + MathF.Log(2)).Within(1).Ulps);
        Assert.That((numbers.Beta, numbers.Epsilon), Is.EqualTo((0.25f, -1e-3f)));
    }

    [Test]
    public void A_layer_of_nemotron_h_that_has_no_network_is_told_from_one_that_has()
    {
        RawGguf file = Model("nemotron_h", layers: 2, norm: "attn_norm", [5, 0, 0, 0, .. BitConverter.GetBytes(2UL), 0, 0, 0, 0, 3, 0, 0, 0]);
        FfnSpec spec = Layer(file, 1).Spec;
        Assert.That((spec.DFf, spec.Kind.Gated, spec.Kind.Activation, spec.PreNorm!.Kind), Is.EqualTo((3, false, Activation.SquaredRelu, NormKind.Rms)));
        Assert.That(() => Layer(file, 0), Throws.TypeOf<CheckpointException>().With.Message.Contains("layer 0 has no feed-forward network; of this model a layer is"));
    }

    // llama.cpp computes RMSNorms where the model's own code has LayerNorms, and writes their epsilon.
    [TestCase("refact", NormKind.Rms)]
    [TestCase("falcon-h1", NormKind.Rms)]
    public void A_norm_is_the_one_whose_epsilon_is_written(string architecture, NormKind kind)
    {
        FfnSpec spec = Layer(Model(architecture, layers: 1).Floats("blk.0.ffn_gate.weight", [3, 2], new float[6]), 0).Spec;
        Assert.That((spec.PreNorm!.Kind, spec.PreNorm.HasBias, spec.Kind.Gated), Is.EqualTo((kind, false, true)));
    }

    [TestCase("gemma3n", "'gemma3n', whose files do not say which layers drop small gates; take the model as safetensors; supported are")]
    [TestCase("grok", "'grok', whose layers add a dense network and a mixture of experts; supported are")]
    public void An_architecture_that_is_known_and_not_read_is_refused_with_the_reason(string architecture, string problem) => Assert.That(
        () => Layer(Model(architecture, layers: 1), 0), Throws.TypeOf<CheckpointException>().With.Message.Contains(problem));

    private static FfnCheckpointLayer Layer(RawGguf file, int layer)
    {
        using var folder = new TempFolder();
        folder.Write("model.gguf", file.File());
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder.Path);
        return checkpoint.GetLayer(layer);
    }

    // The last layer has a network.
    private static RawGguf Model(string name, int layers, string norm = "ffn_norm", byte[]? widths = null)
    {
        string path = $"blk.{layers - 1}.";
        RawGguf file = new RawGguf().Key("general.architecture", name).Key(name + ".block_count", (uint)layers)
            .Key(name + ".embedding_length", 2).Key(name + ".attention.layer_norm_rms_epsilon", 1e-5f);
        file = widths is null ? file.Key(name + ".feed_forward_length", 3) : file.Key(name + ".feed_forward_length", 9, widths);
        return file.Floats(path + "ffn_up.weight", [3, 2], new float[6]).Floats(path + "ffn_down.weight", [2, 3], new float[6])
            .Floats(path + norm + ".weight", [2], 1, 1);
    }

    private static byte[] Floats(params float[] values) =>
        [6, 0, 0, 0, .. BitConverter.GetBytes((ulong)values.Length), .. values.SelectMany(BitConverter.GetBytes)];
}
