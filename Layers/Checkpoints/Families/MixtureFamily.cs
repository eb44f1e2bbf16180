using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>What families of mixtures of experts share: checked counts, and the forms that experts are stored in.</summary>
internal static class MixtureFamily
{
    /// <summary>The projections of experts one by one, by LLaMA's names.</summary>
    /// <param name="path">The experts' path, ending in a dot.</param>
    public static Func<int, StoredProjections> OneByOne(string path) => expert => StoredProjections.Llama($"{path}{expert}.");

    /// <summary>All experts in two tensors: <c>gate_up_proj</c> <c>[E, 2 · d_ff, d_model]</c>, the gates first, and <c>down_proj</c> <c>[E, d_model, d_ff]</c>.</summary>
    /// <param name="path">The experts' path, ending in a dot.</param>
    /// <param name="experts">E.</param>
    public static Func<int, StoredProjections> Stacked(string path, int experts) => expert => new StoredProjections(
        new(path + "gate_up_proj", ProjectionLayout.FirstHalf) { OfStack = (expert, experts) },
        new(path + "gate_up_proj", ProjectionLayout.SecondHalf) { OfStack = (expert, experts) },
        new(path + "down_proj") { OfStack = (expert, experts) });

    /// <summary>The experts of a configuration, which some writers count under the name that another family has for them.</summary>
    public static int Experts(CheckpointConfig config, string key, string alias)
    {
        if (!config.Has(alias))
        {
            return config.Size(key);
        }

        int experts = config.Size(alias);
        return config.Size(key, experts) == experts
            ? experts
            : throw config.Wrong(key, $"{config.Size(key)}, but {CheckpointText.Quote(alias)} is {experts}; both count the experts. Correct config.json");
    }

    /// <summary>A mixture whose numbers come from a configuration; what contradicts itself is refused in the file's name.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="expert">An expert.</param>
    /// <param name="mixture">The routing, still without a shared expert.</param>
    /// <param name="sharedDFf">d_ff of the shared expert; 0 for none.</param>
    public static FfnSpec Spec(CheckpointConfig config, FfnSpec expert, MixtureSpec mixture, long sharedDFf = 0)
    {
        if (sharedDFf * expert.DModel > FfnSpec.MaxMatrixElements)
        {
            throw new CheckpointException(
                $"{config.Path}: asks for a shared expert of {sharedDFf} x {expert.DModel} elements; the limit is {FfnSpec.MaxMatrixElements} in all.");
        }

        mixture = mixture with { SharedDFf = (int)sharedDFf };
        return mixture.Problem() is { } problem ? throw new CheckpointException($"{config.Path}: {problem}") : expert.WithExperts(mixture);
    }

    /// <summary>A model in LLaMA's layout, of which each layer is dense or a mixture.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="epsilon">The norms' ε where the configuration has none.</param>
    /// <param name="networks">The network of a layer by its index.</param>
    public static FamilyLayout Layout(CheckpointConfig config, float epsilon, Func<int, ImmutableArray<StoredNetwork>> networks) => new()
    {
        Networks = networks,
        LayerCount = config.Size("num_hidden_layers"),
        Prefixes = ["model.", ""],
        LayerPath = static layer => $"layers.{layer}.",
        PreNorm = new StoredNorm("post_attention_layernorm", new NormSpec(NormKind.Rms, config.Epsilon("rms_norm_eps", epsilon))),
    };
}
