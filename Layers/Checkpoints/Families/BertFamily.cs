namespace NativeFfn.Checkpoints.Families;

/// <summary>BERT: plain with GELU and biases, LayerNorm after the residual.</summary>
internal static class BertFamily
{
    public static FfnFamily Bert { get; } = new("bert", static config => new FamilyLayout
    {
        Networks = FamilyLayout.InEveryLayer(new DenseNetwork(
            FfnFamily.Spec(
                config,
                new FfnKind(Gated: false, ActivationNames.Read(config, "hidden_act", "gelu")),
                config.Size("hidden_size"),
                config.Size("intermediate_size"),
                bias: true),
            new StoredProjections(null, new("intermediate.dense"), new("output.dense")))),
        LayerCount = config.Size("num_hidden_layers"),
        Prefixes = ["bert.", ""],
        LayerPath = static layer => $"encoder.layer.{layer}.",
        PostNorm = new StoredNorm("output.LayerNorm", new NormSpec(NormKind.Layer, config.Epsilon("layer_norm_eps", 1e-12f))),
    });
}
