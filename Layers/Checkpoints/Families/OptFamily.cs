namespace NativeFfn.Checkpoints.Families;

/// <summary>OPT: plain with ReLU and biases; LayerNorm before, or after the residual in the 350m model.</summary>
internal static class OptFamily
{
    // The models' code leaves the framework's default; no configuration has a key for it.
    private const float Epsilon = 1e-5f;

    public static FfnFamily Opt { get; } = new("opt", static config =>
    {
        var norm = new StoredNorm("final_layer_norm", new NormSpec(NormKind.Layer, Epsilon));
        bool before = config.Flag("do_layer_norm_before", absent: true);
        return new FamilyLayout
        {
            Networks = FamilyLayout.InEveryLayer(new DenseNetwork(
                FfnFamily.Spec(
                    config,
                    new FfnKind(Gated: false, ActivationNames.Read(config, "activation_function", "relu")),
                    config.Size("hidden_size"),
                    config.Size("ffn_dim"),
                    config.Flag("enable_bias", absent: true)),
                new StoredProjections(null, new("fc1"), new("fc2")))),
            LayerCount = config.Size("num_hidden_layers"),
            Prefixes = ["model.decoder.", "decoder.", ""],
            LayerPath = static layer => $"layers.{layer}.",
            PreNorm = before ? norm : null,
            PostNorm = before ? null : norm,
        };
    });
}
