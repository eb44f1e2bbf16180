using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Parity;

/// <summary>A layer, rows and a mode, with what the oracle says of them, worked out once for all backends and thread counts.</summary>
public sealed class ParityCase
{
    private readonly int _seed;
    private readonly Lazy<FfnMemoryWeights> _weights;
    private readonly Lazy<float[]> _input;
    private readonly Lazy<OracleRun>[] _expected;

    public ParityCase(FfnSpec spec, int tokens, FfnMode mode, int seed)
    {
        (Spec, Tokens, Mode, _seed) = (spec, tokens, mode, seed);
        _weights = new(() => RandomLayers.Gaussian(Spec, _seed));
        _input = new(() => RandomLayers.RowsFor(Spec, Weights, Tokens, _seed + 1));
        _expected = Array.ConvertAll(Enum.GetValues<FfnPrecision>(), precision => new Lazy<OracleRun>(
            () => Oracle.Run(Spec, Stored(precision), Mode, Input(), Residual())));
    }

    public FfnSpec Spec { get; }

    public int Tokens { get; }

    public FfnMode Mode { get; }

    internal FfnMemoryWeights Weights => _weights.Value;

    internal OracleRun Expected => ExpectedIn(FfnPrecision.Float32);

    /// <summary>The weights as an engine of a precision keeps them.</summary>
    internal FfnMemoryWeights Stored(FfnPrecision precision) => StoredWeights.Of(precision, Spec, Weights);

    /// <summary>The answer of an engine of a precision, which is float64 arithmetic on the weights as they are kept.</summary>
    internal OracleRun ExpectedIn(FfnPrecision precision) => _expected[(int)precision].Value;

    public float[] Input() => [.. _input.Value];

    public float[] Residual() => RandomLayers.Rows(Tokens, Spec.OutputWidth, _seed + 2);

    public override string ToString()
    {
        string bias = Spec.Stages[0].HasBias ? " bias" : string.Empty;
        string norms = string.Concat(
            Name("pre", Spec.PreNorm), Name("branch", Spec.BranchNorm), Name("post", Spec.PostNorm));
        return $"{Spec}{Routing(Spec.Mixture)}{bias}{norms}{Rest(Spec)} {Mode} x{Tokens}";
    }

    private static string Routing(MixtureSpec? mixture) => mixture is null
        ? string.Empty
        : $" {mixture.Scoring}" + (mixture.Renormalize ? " renormalised" : string.Empty) + (mixture.HasSelectionBias ? " biased" : string.Empty)
            + (mixture.Groups > 1 ? $" groups {mixture.TopGroups} of {mixture.Groups}" : string.Empty)
            + (mixture.HasSharedGate ? " gated" : string.Empty)
            + (mixture.GroupScoring == GroupScoring.Best ? " best" : string.Empty) + (mixture.MasksWithZero ? " zeros" : string.Empty)
            + (mixture.WeighsInput ? " input" : string.Empty) + (mixture.HasRouterBias ? " router-bias" : string.Empty)
            + (mixture.HasOutputBias ? " output-bias" : string.Empty);

    private static string Name(string position, NormSpec? norm) => norm is null ? string.Empty
        : $" {position}-{norm.Kind}" + (norm.HasWeight ? $"+{norm.WeightOffset}" : "-w") + (norm.HasBias ? "+b" : string.Empty);

    private static string Rest(FfnSpec spec) => Name("inner", spec.InnerNorm)
        + (spec.OutputFactor == 1 ? string.Empty : $" x{spec.OutputFactor}")
        + (spec.BlockForm == BlockForm.Plain ? string.Empty : $" {spec.BlockForm}")
        + (spec.Kind.Parameters is { } parameters ? $" {parameters}" : string.Empty);
}
