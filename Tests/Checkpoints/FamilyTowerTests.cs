using NativeFfn.Checkpoints;
using NUnit.Framework;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Models of several towers, prefixes found in the file, and what MLX writes in its own way. Elements count up through the file.</summary>
[TestFixture]
public sealed class FamilyTowerTests
{
    private const string Llama = "\"hidden_size\":2,\"intermediate_size\":3,\"num_hidden_layers\":1";
    private const string Bart =
        """{"model_type":"bart","d_model":2,"encoder_layers":1,"decoder_layers":2,"encoder_ffn_dim":3,"decoder_ffn_dim":4}""";

    [Test]
    public void A_decoder_counts_on_after_its_encoder_or_is_opened_alone()
    {
        using var model = new TempModel(Bart,
            [.. Fc("model.encoder.layers.0.", 3), .. Fc("model.decoder.layers.0.", 4), .. Fc("model.decoder.layers.1.", 4)]);
        Assert.That((model.Open().LayerCount, model.Layer(0).Spec.DFf, model.Layer(2).Spec.DFf), Is.EqualTo((3, 3, 4)));
        using FfnCheckpoint encoder = FfnCheckpoint.Open(model.Folder.Path, CheckpointTower.Encoder);
        using FfnCheckpoint decoder = FfnCheckpoint.Open(model.Folder.Path, CheckpointTower.Decoder);
        Assert.That((encoder.LayerCount, decoder.LayerCount), Is.EqualTo((1, 2)));
        Assert.That(Weights.Read(decoder.GetLayer(1), "up.weight"), Is.EqualTo(Weights.Read(model.Layer(2), "up.weight")));
        Assert.That(
            () => FfnCheckpoint.Open(model.Folder.Path, CheckpointTower.Vision),
            Throws.TypeOf<CheckpointException>()
                .With.Message.Contains("'bart' has no vision tower that is known here; known is encoder, decoder"));
    }

    [TestCase("\"text_config\":{" + Llama + "}", "language_model.model.layers.0.")]
    [TestCase("\"text_config\":{" + Llama + "}", "model.language_model.layers.0.")]
    [TestCase(Llama, "model.layers.0.")]
    public void A_text_model_is_found_by_its_section_and_prefix(string config, string path)
    {
        using var model = new TempModel(
            $$"""{"model_type":"llava",{{config}},"vision_config":{"hidden_size":1,"intermediate_size":1,"num_hidden_layers":1} }""",
            [.. Network(path), .. Network("mtp.layers.0."), .. Fc("vision_tower.vision_model.encoder.layers.0.mlp.", 1, 1)]);
        Assert.That(Weights.Read(model.Layer(0), "up.weight"), Is.EqualTo(new[] { 7f, 8f, 9f, 10f, 11f, 12f }));
        using FfnCheckpoint vision = FfnCheckpoint.Open(model.Folder.Path, CheckpointTower.Vision);
        Assert.That((vision.GetLayer(0).Spec.DModel, vision.GetLayer(0).Spec.Kind), Is.EqualTo((1, FfnKind.QuickGelu)));
    }

    [Test]
    public void Two_layers_that_fit_are_refused()
    {
        using var model = new TempModel($$"""{"model_type":"llama",{{Llama}}}""",
            [.. Network("model.layers.0."), .. Network("language_model.model.layers.0.")]);
        Assert.That(
            () => model.Layer(0),
            Throws.TypeOf<CheckpointException>()
                .With.Message.Contains("has layer 0 under 'model.layers.0.' and under 'language_model.model.layers.0.'"));
    }

    [TestCase("", 1)]
    [TestCase(",\"quantization\":{\"bits\":4}", 0)]
    public void Norms_of_mlx_already_have_the_one(string keys, float offset)
    {
        using var model = new TempModel(
            $$"""{"model_type":"qwen3_5","text_config":{{{Llama}}}{{keys}}}""",
            [.. Network("model.language_model.layers.0."), ("model.language_model.layers.0.post_attention_layernorm.weight", [2])]);
        Assert.That(model.Layer(0).Spec.PreNorm!.WeightOffset, Is.EqualTo(offset));
    }

    [Test]
    public void A_layer_without_a_network_is_said_to_have_none()
    {
        using var model = new TempModel(
            $$"""{"model_type":"nemotron-nas",{{Llama}},"block_configs":[{"ffn":{"no_op":true} }]}""", [.. Network("model.layers.0.")]);
        Assert.That(() => model.Layer(0),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("layer 0 has no feed-forward network"));
    }

    private static (string Name, long[] Shape)[] Network(string path) =>
        [(path + "mlp.gate_proj.weight", [3, 2]), (path + "mlp.up_proj.weight", [3, 2]), (path + "mlp.down_proj.weight", [2, 3])];

    private static (string Name, long[] Shape)[] Fc(string path, int inner, int width = 2) =>
        [(path + "fc1.weight", [inner, width]), (path + "fc1.bias", [inner]), (path + "fc2.weight", [width, inner]),
            (path + "fc2.bias", [width])];
}
