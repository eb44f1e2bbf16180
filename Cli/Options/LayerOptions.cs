using System.CommandLine;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Cli.Options;

/// <summary>A layer named by options: a preset, or a shape with a kind and experts.</summary>
internal sealed class LayerOptions
{
    private readonly LayerShape _defaultShape;
    private readonly Option<LayerShape?> _shape;
    private readonly Option<BenchPreset?> _preset = BenchOptions.Preset();
    private readonly Option<FfnKind> _kind = CommonOptions.Kind("The layer's kind; the preset's, or swiglu, if left out.");
    private readonly Option<int> _experts = CommonOptions.Experts();
    private readonly Option<int> _topK = CommonOptions.TopK();

    private LayerOptions(LayerShape defaultShape) =>
        (_defaultShape, _shape) = (defaultShape, CommonOptions.Shape($"d_model and d_ff; {defaultShape} if left out."));

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="defaultShape">The shape where nothing is named.</param>
    public static LayerOptions AddTo(Command command, LayerShape defaultShape)
    {
        var options = new LayerOptions(defaultShape);
        foreach (Option option in (Option[])[options._shape, options._preset, options._kind, options._experts, options._topK])
        {
            command.Add(option);
        }

        return options;
    }

    /// <summary>Whether any of them is there.</summary>
    public bool AreIn(ParseResult parsed) =>
        ((Option[])[_shape, _preset, _kind, _experts, _topK]).Any(option => parsed.GetResult(option) is { Implicit: false });

    /// <summary>The layer.</summary>
    /// <exception cref="UsageException">Two of them contradict each other.</exception>
    public FfnSpec Read(ParseResult parsed)
    {
        BenchPreset? preset = parsed.GetValue(_preset);
        LayerShape? size = parsed.GetValue(_shape);
        if (preset is not null && size is not null)
        {
            throw new UsageException("--shape and --preset both name a shape; give one of them.");
        }

        size ??= preset?.Shape ?? _defaultShape;
        FfnKind kind = parsed.GetResult(_kind) is null ? preset?.Kind ?? FfnKind.SwiGlu : parsed.GetValue(_kind);
        FfnSpec spec = FfnSpec.Create(kind, size.DModel, size.DFf, preset?.Bias ?? false);
        MixtureSpec? mixture = CommonOptions.Mixture(parsed.GetValue(_experts), parsed.GetValue(_topK)) ?? preset?.Mixture;
        return mixture is null ? spec : spec.WithExperts(mixture);
    }
}
