using System.Collections.Immutable;
using System.Text.Json.Serialization;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Files;

/// <summary>The <c>config.json</c> of a checkpoint in Llama layout, as far as its feed-forward layers need one.</summary>
internal sealed record LlamaConfig(
    [property: JsonPropertyName("model_type")] string ModelType,
    [property: JsonPropertyName("hidden_size")] int HiddenSize,
    [property: JsonPropertyName("intermediate_size")] int IntermediateSize,
    [property: JsonPropertyName("num_hidden_layers")] int NumHiddenLayers,
    [property: JsonPropertyName("hidden_act")] string HiddenAct,
    [property: JsonPropertyName("rms_norm_eps")] double RmsNormEps,
    [property: JsonPropertyName("torch_dtype")] string TorchDtype)
{
    /// <summary>ε of the norm before the network.</summary>
    public const double NormEpsilon = 1e-5;

    // Llama layout is gated, so the plain kinds are not here.
    private static readonly ImmutableArray<(FfnKind Kind, string Activation)> Activations =
    [
        (FfnKind.SwiGlu, "silu"), (FfnKind.GeGlu, "gelu"), (FfnKind.GeGluTanh, "gelu_pytorch_tanh"), (FfnKind.ReGlu, "relu"),
        (FfnKind.Glu, "sigmoid"), (FfnKind.Bilinear, "linear"),
    ];

    /// <summary>Kinds that the layout can express.</summary>
    public static IEnumerable<FfnKind> Kinds => Activations.Select(static pair => pair.Kind);

    /// <summary>The configuration of a checkpoint of equal layers.</summary>
    /// <exception cref="UsageException">The layout cannot express the kind.</exception>
    public static LlamaConfig Create(FfnKind kind, LayerShape shape, int layers, WeightType type)
    {
        foreach ((FfnKind candidate, string activation) in Activations)
        {
            if (candidate == kind)
            {
                return new LlamaConfig("llama", shape.DModel, shape.DFf, layers, activation, NormEpsilon, type.TorchName);
            }
        }

        throw new UsageException($"--kind {kind} cannot be expressed in Llama layout; it has {string.Join(", ", Kinds)}.");
    }
}
