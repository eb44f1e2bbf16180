namespace NativeFfn.Checkpoints.Families;

/// <summary>Falcon: plain with GELU, biases where the configuration says so; most models run it beside the attention.</summary>
internal static class FalconFamily
{
    // d_ff where ffn_hidden_size is null or absent.
    private const int DefaultExpansion = 4;

    public static FfnFamily Falcon { get; } = new("falcon", static config =>
    {
        bool parallel = config.Flag("new_decoder_architecture", absent: false) || config.Flag("parallel_attn", absent: true);
        var norm = new StoredNorm(
            "post_attention_layernorm", new NormSpec(NormKind.Layer, config.Epsilon("layer_norm_epsilon", 1e-5f)));
        return new FamilyLayout
        {
            Networks = FamilyLayout.InEveryLayer(new DenseNetwork(
                FfnFamily.Spec(
                    config,
                    new FfnKind(Gated: false, ActivationNames.Read(config, "activation", "gelu")),
                    config.Size("hidden_size"),
                    config.Size("ffn_hidden_size", DefaultExpansion * config.Size("hidden_size")),
                    config.Flag("bias", absent: false)),
                new StoredProjections(null, new("mlp.dense_h_to_4h"), new("mlp.dense_4h_to_h")))),
            LayerCount = config.Size("num_hidden_layers"),
            Prefixes = ["transformer.", ""],
            LayerPath = static layer => $"h.{layer}.",
            PreNorm = parallel ? null : norm,
            WhyNoBlock = parallel
                ? "this Falcon model adds attention and feed-forward network to one residual in parallel, so the network has no half of its own."
                : null,
        };
    });
}
