using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>The families whose layers are all dense.</summary>
internal static class DenseFamilies
{
    /// <summary>The norm of LLaMA's layer.</summary>
    public static FamilyNorm LlamaNorm { get; } = new("post_attention_layernorm", NormKind.Rms, new(1e-6f, "rms_norm_eps"));

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        new("llama", "mistral", "qwen2", "qwen3") { Bias = new(false, "mlp_bias"), PreNorm = LlamaNorm },

        // RMSNorm scaled by (1 + w); Gemma 2 has a second norm on the network's result.
        new("gemma")
        {
            ActivationKeys = ["hidden_activation", "hidden_act"],
            Activation = "gelu_pytorch_tanh",
            PreNorm = LlamaNorm with { WeightOffset = 1 },
            Adapt = TanhGelu,
        },
        new("gemma2")
        {
            ActivationKeys = ["hidden_activation", "hidden_act"],
            Activation = "gelu_pytorch_tanh",
            PreNorm = LlamaNorm with { Name = "pre_feedforward_layernorm", WeightOffset = 1 },
            BranchNorm = LlamaNorm with { Name = "post_feedforward_layernorm", WeightOffset = 1 },
            Adapt = TanhGelu,
        },
        new("phi3")
        {
            Projections = new(
                new("mlp.gate_up_proj", ProjectionLayout.FirstHalf), new("mlp.gate_up_proj", ProjectionLayout.SecondHalf), new("mlp.down_proj")),
            PreNorm = LlamaNorm with { Epsilon = new(1e-5f, "rms_norm_eps") },
        },
        new("gpt2")
        {
            DModelKey = "n_embd",
            DFfKey = "n_inner",
            Expansion = 4,
            Prefixes = ["transformer.", ""],
            Layers = [new("h.{0}.", "n_layer")],
            ActivationKeys = ["activation_function"],
            Activation = "gelu_new",
            Bias = new(true),
            Projections = new(null, new("mlp.c_fc", ProjectionLayout.InOut), new("mlp.c_proj", ProjectionLayout.InOut)),
            PreNorm = new("ln_2", NormKind.Layer, new(1e-5f, "layer_norm_epsilon")),
        },
        new("bert")
        {
            Prefixes = ["bert.", ""],
            Layers = [new("encoder.layer.{0}.", "num_hidden_layers")],
            Activation = "gelu",
            Bias = new(true),
            Projections = new(null, new("intermediate.dense"), new("output.dense")),
            PostNorm = new("output.LayerNorm", NormKind.Layer, new(1e-12f, "layer_norm_eps")),
        },

        // Plain in version 1.0, gated in 1.1.
        new("t5")
        {
            DModelKey = "d_model",
            DFfKey = "d_ff",
            Prefixes = ["", "transformer."],
            Layers = [new("encoder.block.{0}.layer.1.", "num_layers"), new("decoder.block.{0}.layer.2.", "num_decoder_layers")],
            ActivationKeys = ["dense_act_fn"],
            Projections = new(null, new("DenseReluDense.wi"), new("DenseReluDense.wo")),
            PreNorm = new("layer_norm", NormKind.Rms, new(1e-6f, "layer_norm_epsilon")),
            Adapt = FeedForwardProj,
        },

        // The models' code leaves the framework's ε; no configuration has a key for it. The norm of the 350m model stands after the residual.
        new("opt")
        {
            DFfKey = "ffn_dim",
            Prefixes = ["model.decoder.", "decoder.", ""],
            ActivationKeys = ["activation_function"],
            Activation = "relu",
            Bias = new(true, "enable_bias"),
            Projections = new(null, new("fc1"), new("fc2")),
            PreNorm = new("final_layer_norm", NormKind.Layer, new(1e-5f)),
            Adapt = static (family, config) => config.Flag(new(true, "do_layer_norm_before"))
                ? family
                : family with { PreNorm = null, PostNorm = family.PreNorm },
        },
        new("falcon")
        {
            DFfKey = "ffn_hidden_size",
            Expansion = 4,
            Prefixes = ["transformer.", ""],
            Layers = [new("h.{0}.", "num_hidden_layers")],
            ActivationKeys = ["activation"],
            Activation = "gelu",
            Bias = new(false, "bias"),
            Projections = new(null, new("mlp.dense_h_to_4h"), new("mlp.dense_4h_to_h")),
            PreNorm = new("post_attention_layernorm", NormKind.Layer, new(1e-5f, "layer_norm_epsilon")),
            Adapt = static (family, config) => config.Flag(new(false, "new_decoder_architecture")) || config.Flag(new(true, "parallel_attn"))
                ? Parallel(family)
                : family,
        },
        new("arcee")
        {
            Activation = "relu2",
            Bias = new(false, "mlp_bias"),
            Projections = new(null, new("mlp.up_proj"), new("mlp.down_proj")),
            PreNorm = LlamaNorm with { Epsilon = new(1e-5f, "rms_norm_eps") },
        },
    ];

    private static FfnFamily Parallel(FfnFamily family) => family with
    {
        PreNorm = null,
        WhyNoBlock = "this model adds attention and feed-forward network to one residual in parallel, so the network has no half of its own.",
    };

    // The models were trained with the tanh form; "gelu" under the older key was a slip of the first configurations.
    private static FfnFamily TanhGelu(FfnFamily family, CheckpointConfig config) =>
        !config.Has("hidden_activation") && config.Text("hidden_act", family.Activation) == "gelu" ? family with { ActivationKeys = [] } : family;

    // "gated-gelu" was written before the tanh form had a name of its own, and means it.
    private static FfnFamily FeedForwardProj(FfnFamily family, CheckpointConfig config)
    {
        const string key = "feed_forward_proj";
        const string gatedMark = "gated-";
        string projection = config.Text(key, "relu");
        bool marked = projection.StartsWith(gatedMark, StringComparison.Ordinal);
        bool gated = config.Flag(new(marked, "is_gated_act"));
        string activation = projection == "gated-gelu" ? "gelu_new" : marked ? projection[gatedMark.Length..] : projection;
        if (!config.Has("dense_act_fn") && Activation.OfConfig(activation) is null)
        {
            throw FfnFamily.UnknownActivation(config, key, activation);
        }

        return family with
        {
            Activation = activation,
            Projections = gated
                ? new(new("DenseReluDense.wi_0"), new("DenseReluDense.wi_1"), family.Projections.Down)
                : family.Projections,
        };
    }
}
