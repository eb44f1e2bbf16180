using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Reference;

/// <summary>Every layer in float64 by its formulas: what other backends are compared with, and hundreds of times slower.</summary>
/// <remarks>
/// Rows are widened, computed on by one thread and rounded once, at the end; a forward allocates what it needs. Weights are used exactly as
/// they are given, so that there is one precision, float32. With a bound on resident experts, a mixture's weights are read through the
/// source in every forward and none is kept.
/// </remarks>
internal sealed class ReferenceBackend(bool keepsSource) : IFfnBackend
{
    /// <summary>The one precision: in another, the weights would not be rounded as it says.</summary>
    public static FfnPrecision[] Precisions { get; } = [FfnPrecision.Auto, FfnPrecision.Stored, FfnPrecision.Float32];

    /// <inheritdoc/>
    public BackendDescription Description { get; } = new(BackendKind.Reference, "float64 by the formulas", Path: null, Threads: 1)
    {
        RowsAreIndependent = true,
    };

    /// <summary>Opens the reference, which is always there.</summary>
    public static IFfnBackend Open(FfnEngineOptions options) => new ReferenceBackend(options.MaxResidentExperts > 0);

    /// <inheritdoc/>
    public string? WhyUnsupported(FfnSpec spec) => null;

    /// <inheritdoc/>
    public ILoadedLayer Prepare(FfnSpec spec, IFfnWeightSource weights)
    {
        bool keeps = keepsSource && spec.Mixture is not null;
        IFfnWeightSource source = keeps ? weights : new ReferenceWeights(spec, weights);
        var layer = new ReferenceLayer(spec, source, keeps ? 0 : spec.ParameterCount * sizeof(float));
        if (spec.Find(new TensorKey(FfnTensorRole.RouterSelectionBias)) is { } bias)
        {
            Router.RequireFinite(bias, new Float64Network(spec, source, profile: null).ReadVector(bias.Key));
        }

        return layer;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
