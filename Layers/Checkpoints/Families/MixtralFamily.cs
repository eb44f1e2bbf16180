namespace NativeFfn.Checkpoints.Families;

/// <summary>Mixtral (Jiang et al. 2024): every layer a mixture, the softmax of all experts renormalised over the chosen ones.</summary>
internal static class MixtralFamily
{
    public static FfnFamily Mixtral { get; } = new("mixtral", static config =>
    {
        FfnSpec expert = FfnFamily.Spec(
            config,
            new FfnKind(Gated: true, ActivationNames.Read(config, "hidden_act", "silu")),
            config.Size("hidden_size"),
            config.Size("intermediate_size"),
            bias: false);
        int experts = MixtureFamily.Experts(config, "num_local_experts", "num_experts");
        FfnSpec spec = MixtureFamily.Spec(
            config, expert, new MixtureSpec(experts, config.Size("num_experts_per_tok")) { Scoring = RouterScoring.Softmax, Renormalize = true });
        return MixtureFamily.Layout(config, epsilon: 1e-5f, FamilyLayout.InEveryLayer(
            new MixtureNetwork(spec) { Router = "block_sparse_moe.gate", Expert = OneByOne },
            new MixtureNetwork(spec) { Router = "mlp.gate", Expert = MixtureFamily.Stacked("mlp.experts.", experts) }));
    });

    // The names of the first LLaMA: w1 is the gate, w3 is up and w2 is down.
    private static StoredProjections OneByOne(int expert)
    {
        string path = $"block_sparse_moe.experts.{expert}.";
        return new StoredProjections(new(path + "w1"), new(path + "w3"), new(path + "w2"));
    }
}
