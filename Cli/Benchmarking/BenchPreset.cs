using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using NativeFfn.Cli.Options;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>The feed-forward layer of a well-known network, by the numbers of its published configuration.</summary>
/// <param name="Name">Its name in <c>--preset</c>.</param>
/// <param name="Shape">d_model x d_ff.</param>
/// <param name="Kind">The layer's kind.</param>
/// <param name="Bias">Whether its projections have biases.</param>
/// <param name="Mixture">Its experts, each of the shape's d_ff; null for a dense layer.</param>
internal sealed record BenchPreset(string Name, LayerShape Shape, FfnKind Kind, bool Bias = false, MixtureSpec? Mixture = null)
{
    /// <summary>All presets, small layers first, mixtures last.</summary>
    public static ImmutableArray<BenchPreset> All { get; } =
    [
        new("gpt2", new(768, 3072), FfnKind.GeluTanh, Bias: true),
        new("bert-base", new(768, 3072), FfnKind.Gelu, Bias: true),
        new("opt-125m", new(768, 3072), FfnKind.Relu, Bias: true),
        new("clip-vit-l", new(1024, 4096), FfnKind.QuickGelu, Bias: true),
        new("bert-large", new(1024, 4096), FfnKind.Gelu, Bias: true),
        new("t5-v1_1-large", new(1024, 2816), FfnKind.GeGluTanh),
        new("tinyllama", new(2048, 5632), FfnKind.SwiGlu),
        new("llama-3.2-1b", new(2048, 8192), FfnKind.SwiGlu),
        new("gemma-2b", new(2048, 16384), FfnKind.GeGluTanh),
        new("phi-3-mini", new(3072, 8192), FfnKind.SwiGlu),
        new("qwen2-7b", new(3584, 18944), FfnKind.SwiGlu),
        new("llama-7b", new(4096, 11008), FfnKind.SwiGlu),
        new("mistral-7b", new(4096, 14336), FfnKind.SwiGlu),
        new("llama-3-8b", new(4096, 14336), FfnKind.SwiGlu),
        new("qwen3-30b-a3b", new(2048, 768), FfnKind.SwiGlu, Mixture: new MixtureSpec(128, 8)),
        new("mixtral-8x7b", new(4096, 14336), FfnKind.SwiGlu, Mixture: new MixtureSpec(8, 2)),
        new("deepseek-v3", new(7168, 2048), FfnKind.SwiGlu, Mixture: new MixtureSpec(256, 8)
        {
            Scoring = RouterScoring.Sigmoid, HasSelectionBias = true, Groups = 8, TopGroups = 4, Scaling = 2.5f, SharedDFf = 2048,
        }),
    ];

    /// <summary>The layer.</summary>
    public FfnSpec Spec => Mixture is null ? FfnSpec.Create(Kind, Shape.DModel, Shape.DFf, Bias)
        : FfnSpec.Create(Kind, Shape.DModel, Shape.DFf, Bias).WithExperts(Mixture);

    /// <summary>Finds a preset, ignoring case.</summary>
    public static bool TryParse(string name, [NotNullWhen(true)] out BenchPreset? preset)
    {
        preset = All.FirstOrDefault(candidate => string.Equals(candidate.Name, name, StringComparison.OrdinalIgnoreCase));
        return preset is not null;
    }
}
