namespace NativeFfn.Checkpoints.Families;

/// <summary>Gemma: gated with tanh GELU, RMSNorm scaled by (1 + w); Gemma 2 has a second norm on the network's result.</summary>
internal static class GemmaFamily
{
    public static FfnFamily Gemma { get; } = new("gemma", static config => Read(config) with
    {
        PreNorm = Norm(config, "post_attention_layernorm"),
    });

    public static FfnFamily Gemma2 { get; } = new("gemma2", static config => Read(config) with
    {
        PreNorm = Norm(config, "pre_feedforward_layernorm"),
        BranchNorm = Norm(config, "post_feedforward_layernorm"),
    });

    private static FamilyLayout Read(CheckpointConfig config) => new()
    {
        Networks = FamilyLayout.InEveryLayer(new DenseNetwork(
            FfnFamily.Spec(
                config,
                new FfnKind(Gated: true, ReadActivation(config)),
                config.Size("hidden_size"),
                config.Size("intermediate_size"),
                bias: false),
            StoredProjections.Llama("mlp."))),
        LayerCount = config.Size("num_hidden_layers"),
        Prefixes = ["model.", ""],
        LayerPath = static layer => $"layers.{layer}.",
    };

    // The models were trained with the tanh form; "gelu" under the older key was a slip of the first configurations.
    private static Activation ReadActivation(CheckpointConfig config)
    {
        if (config.Has("hidden_activation"))
        {
            return ActivationNames.Read(config, "hidden_activation", "");
        }

        Activation legacy = ActivationNames.Read(config, "hidden_act", "gelu_pytorch_tanh");
        return legacy == Activation.Gelu ? Activation.GeluTanh : legacy;
    }

    private static StoredNorm Norm(CheckpointConfig config, string name) =>
        new(name, new NormSpec(NormKind.RmsOnePlusWeight, config.Epsilon("rms_norm_eps", 1e-6f)));
}
