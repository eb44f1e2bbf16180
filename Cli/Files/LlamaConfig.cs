using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Files;

/// <summary>
/// The <c>config.json</c> of a checkpoint in Llama layout, in Arcee's where it is not gated, or in Mixtral's where it has experts, as far as its
/// feed-forward layers need one.
/// </summary>
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

    /// <summary>
    /// Kinds that the layouts can express: configurations must have a word for the activation, and for its parameters where files have those.
    /// </summary>
    public static IEnumerable<FfnKind> Kinds =>
        FfnKind.Named.Where(static kind => !kind.Activation.ConfigNames.IsEmpty && kind.Activation != Activation.Xielu);

    /// <summary>Refuses a kind that no configuration can express.</summary>
    /// <exception cref="UsageException">It is such a kind.</exception>
    public static void RequireKind(FfnKind kind, MixtureSpec? mixture)
    {
        if (!Kinds.Contains(kind))
        {
            throw new UsageException($"--kind {kind} cannot be expressed in a configuration; there are {string.Join(", ", Kinds)}.");
        }

        if (mixture is not null && !kind.Gated)
        {
            throw new UsageException($"--kind {kind} has no gate, which the experts of Mixtral have. Give a gated kind, or leave --experts out.");
        }
    }

    /// <summary>The configuration of a checkpoint of equal layers, each a mixture where one is given.</summary>
    public static LlamaConfig Create(FfnKind kind, LayerShape shape, int layers, WeightType type, MixtureSpec? mixture) => new(
        mixture is not null ? "mixtral" : kind.Gated ? "llama" : "arcee",
        shape.DModel,
        shape.DFf,
        layers,
        kind.Activation.ConfigNames[0],
        NormEpsilon,
        type.TorchName,
        mixture?.Experts,
        mixture?.TopK);
}
