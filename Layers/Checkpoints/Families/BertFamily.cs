namespace NativeFfn.Checkpoints.Families;

/// <summary>BERT: plain with GELU and biases, LayerNorm after the residual.</summary>
internal static class BertFamily
{
    public static FfnFamily Bert { get; } = new("bert", static config => new FamilyLayout
    {
        Spec = FfnFamily.Spec(
            config,
            new FfnKind(Gated: false, ActivationNames.Read(config, "hidden_act", "gelu")),
            config.Size("hidden_size"),
            config.Size("intermediate_size"),
            bias: true),
        LayerCount = config.Size("num_hidden_layers"),
        Prefixes = ["bert.", ""],
        LayerPath = static layer => $"encoder.layer.{layer}.",
        Up = new StoredProjection("intermediate.dense"),
        Down = new StoredProjection("output.dense"),
        PostNorm = new StoredNorm("output.LayerNorm", new NormSpec(NormKind.Layer, config.Epsilon("layer_norm_eps", 1e-12f))),
    });
}
