namespace NativeFfn.Checkpoints.Families;

/// <summary>Phi-3: as LLaMA, with gate and up in one matrix, the gate first.</summary>
internal static class Phi3Family
{
    public static FfnFamily Phi3 { get; } = new("phi3", static config => new FamilyLayout
    {
        Networks = FamilyLayout.InEveryLayer(new DenseNetwork(
            FfnFamily.Spec(
                config,
                new FfnKind(Gated: true, ActivationNames.Read(config, "hidden_act", "silu")),
                config.Size("hidden_size"),
                config.Size("intermediate_size"),
                bias: false),
            new StoredProjections(
                new("mlp.gate_up_proj", ProjectionLayout.FirstHalf), new("mlp.gate_up_proj", ProjectionLayout.SecondHalf), new("mlp.down_proj")))),
        LayerCount = config.Size("num_hidden_layers"),
        Prefixes = ["model.", ""],
        LayerPath = static layer => $"layers.{layer}.",
        PreNorm = new StoredNorm("post_attention_layernorm", new NormSpec(NormKind.Rms, config.Epsilon("rms_norm_eps", 1e-5f))),
    });
}
