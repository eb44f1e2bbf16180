namespace NativeFfn.Checkpoints.Families;

/// <summary>T5: plain (1.0) or gated (1.1), no biases, RMSNorm before; the encoder's layers come first, then the decoder's.</summary>
internal static class T5Family
{
    private const string GatedMark = "gated-";

    public static FfnFamily T5 { get; } = new("t5", Read);

    private static FamilyLayout Read(CheckpointConfig config, CheckpointTensors tensors)
    {
        int encoderLayers = config.Size("num_layers");
        int decoderLayers = config.Size("num_decoder_layers", encoderLayers);
        FfnKind kind = ReadKind(config);
        return new FamilyLayout
        {
            Networks = FamilyLayout.InEveryLayer(new DenseNetwork(
                FfnFamily.Spec(config, kind, config.Size("d_model"), config.Size("d_ff"), bias: false),
                kind.Gated
                    ? new StoredProjections(new("DenseReluDense.wi_0"), new("DenseReluDense.wi_1"), new("DenseReluDense.wo"))
                    : new StoredProjections(null, new("DenseReluDense.wi"), new("DenseReluDense.wo")))),
            LayerCount = encoderLayers + (HasDecoder(tensors) ? decoderLayers : 0),
            LayerPath = layer => layer < encoderLayers
                ? $"encoder.block.{layer}.layer.1."
                : $"decoder.block.{layer - encoderLayers}.layer.2.",
            PreNorm = new StoredNorm("layer_norm", new NormSpec(NormKind.Rms, config.Epsilon("layer_norm_epsilon", 1e-6f))),
        };
    }

    // Checkpoints of the encoder alone keep a configuration that counts the decoder too.
    private static bool HasDecoder(CheckpointTensors tensors) => tensors.Contains("decoder.block.0.layer.2.DenseReluDense.wo.weight");

    // "gated-gelu" was written before the tanh form had a name of its own, and means it.
    private static FfnKind ReadKind(CheckpointConfig config)
    {
        const string key = "feed_forward_proj";
        string projection = config.Text(key, "relu");
        bool gated = projection.StartsWith(GatedMark, StringComparison.Ordinal);
        if (config.Has("dense_act_fn"))
        {
            return new FfnKind(gated, ActivationNames.Read(config, "dense_act_fn", ""));
        }

        return projection == "gated-gelu"
            ? FfnKind.GeGluTanh
            : new FfnKind(gated, ActivationNames.Parse(config, key, gated ? projection[GatedMark.Length..] : projection));
    }
}
