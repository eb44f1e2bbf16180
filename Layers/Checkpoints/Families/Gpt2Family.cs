namespace NativeFfn.Checkpoints.Families;

/// <summary>GPT-2: plain with tanh GELU and biases, matrices stored <c>[in, out]</c>, LayerNorm before.</summary>
internal static class Gpt2Family
{
    // d_ff where n_inner is null or absent.
    private const int DefaultExpansion = 4;

    public static FfnFamily Gpt2 { get; } = new("gpt2", static config => new FamilyLayout
    {
        Networks = FamilyLayout.InEveryLayer(new DenseNetwork(
            FfnFamily.Spec(
                config,
                new FfnKind(Gated: false, ActivationNames.Read(config, "activation_function", "gelu_new")),
                config.Size("n_embd"),
                config.Size("n_inner", DefaultExpansion * config.Size("n_embd")),
                bias: true),
            new StoredProjections(null, new("mlp.c_fc", ProjectionLayout.InOut), new("mlp.c_proj", ProjectionLayout.InOut)))),
        LayerCount = config.Size("n_layer"),
        Prefixes = ["transformer.", ""],
        LayerPath = static layer => $"h.{layer}.",
        PreNorm = new StoredNorm("ln_2", new NormSpec(NormKind.Layer, config.Epsilon("layer_norm_epsilon", 1e-5f))),
    });
}
