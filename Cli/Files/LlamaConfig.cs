using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Files;

/// <summary>The <c>config.json</c> of a checkpoint in Llama layout, or in Mixtral layout where it has experts, as far as its feed-forward layers need one.</summary>
internal sealed record LlamaConfig(
    [property: JsonPropertyName("model_type")] string ModelType,
    [property: JsonPropertyName("hidden_size")] int HiddenSize,
    [property: JsonPropertyName("intermediate_size")] int IntermediateSize,
    [property: JsonPropertyName("num_hidden_layers")] int NumHiddenLayers,
    [property: JsonPropertyName("hidden_act")] string HiddenAct,
    [property: JsonPropertyName("rms_norm_eps")] double RmsNormEps,
    [property: JsonPropertyName("torch_dtype")] string TorchDtype,
    [property: JsonPropertyName("num_local_experts"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? NumLocalExperts,
    [property: JsonPropertyName("num_experts_per_tok"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? NumExpertsPerTok)
{
    /// <summary>How matrices are packed; null where they are floats.</summary>
    [JsonPropertyName("quantization_config"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonObject? QuantizationConfig { get; init; }

    /// <summary>ε of the norm before the network.</summary>
    public const double NormEpsilon = 1e-5;

    /// <summary>Kinds that the layout can express: it is gated, and configurations must have a word for the activation.</summary>
    public static IEnumerable<FfnKind> Kinds => FfnKind.Named.Where(static kind => kind.Gated && !kind.Activation.ConfigNames.IsEmpty);

    /// <summary>The configuration of a checkpoint of equal layers, each a mixture where one is given.</summary>
    /// <exception cref="UsageException">The layout cannot express the kind.</exception>
    public static LlamaConfig Create(FfnKind kind, LayerShape shape, int layers, WeightType type, MixtureSpec? mixture)
    {
        if (Kinds.Contains(kind))
        {
            return new LlamaConfig(
                mixture is null ? "llama" : "mixtral",
                shape.DModel,
                shape.DFf,
                layers,
                kind.Activation.ConfigNames[0],
                NormEpsilon,
                type.TorchName,
                mixture?.Experts,
                mixture?.TopK);
        }

        throw new UsageException($"--kind {kind} cannot be expressed in Llama layout; it has {string.Join(", ", Kinds)}.");
    }
}
