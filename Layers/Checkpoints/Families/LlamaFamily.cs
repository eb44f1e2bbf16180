namespace NativeFfn.Checkpoints.Families;

/// <summary>LLaMA and the families that kept its layer: gated, RMSNorm before.</summary>
internal static class LlamaFamily
{
    public static FfnFamily Llama { get; } = new("llama", Read);

    public static FfnFamily Mistral { get; } = new("mistral", Read);

    public static FfnFamily Qwen2 { get; } = new("qwen2", Read);

    public static FfnFamily Qwen3 { get; } = new("qwen3", Read);

    private static FamilyLayout Read(CheckpointConfig config) => new()
    {
        Networks = FamilyLayout.InEveryLayer(new DenseNetwork(
            FfnFamily.Spec(
                config,
                new FfnKind(Gated: true, ActivationNames.Read(config, "hidden_act", "silu")),
                config.Size("hidden_size"),
                config.Size("intermediate_size"),
                config.Flag("mlp_bias", absent: false)),
            StoredProjections.Llama("mlp."))),
        LayerCount = config.Size("num_hidden_layers"),
        Prefixes = ["model.", ""],
        LayerPath = static layer => $"layers.{layer}.",
        PreNorm = new StoredNorm("post_attention_layernorm", new NormSpec(NormKind.Rms, config.Epsilon("rms_norm_eps", 1e-6f))),
    };
}
