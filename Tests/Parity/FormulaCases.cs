namespace NativeFfn.Tests.Parity;

/// <summary>Layers with the parts of a formula that few families have, which a backend computes or refuses.</summary>
internal static class FormulaCases
{
    private const int MoreThanAChunk = 600;

    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);
    private static readonly NormSpec Layer = new(NormKind.Layer, 1e-5f);

    private static readonly BlockForm All = new() { BranchFactor = 0.22f, ResidualFactor = 3.5f, ResidualIsNormed = true, HasBranchScale = true };

    /// <summary>Each part alone and several together, in every mode, of one token and of more than are run at a time.</summary>
    public static IEnumerable<ParityCase> Every()
    {
        int seed = 40_000;
        foreach (FfnSpec spec in Dense.Concat(Mixtures))
        {
            foreach (FfnMode mode in Enum.GetValues<FfnMode>())
            {
                yield return new ParityCase(spec, 1, mode, seed += 10);
                yield return new ParityCase(spec, 35, mode, seed += 10);
            }
        }

        yield return new ParityCase(Sparse(FfnKind.GeGluTanh, 17, 31, 0.5f).WithInnerNorm(Rms), MoreThanAChunk, FfnMode.Ffn, seed += 10);
        yield return new ParityCase(
            Sparse(FfnKind.Gelu, 9, 47, -0.4f).WithNorms(Rms, post: Layer).WithBlockForm(All), MoreThanAChunk, FfnMode.Block, seed += 10);
        yield return new ParityCase(
            FfnSpec.Create(FfnKind.SwiGlu, 9, 14, bias: true).WithNorms(Rms, Layer).WithExperts(new MixtureSpec(4, 2) { WeighsInput = true }),
            MoreThanAChunk, FfnMode.Block, seed + 10);
        yield return new ParityCase(Sparse(FfnKind.SwiGlu, 8, 16, 1).WithInnerNorm(Layer), 0, FfnMode.Block, seed);
    }

    private static IEnumerable<FfnSpec> Dense =>
    [
        FfnSpec.Create(FfnKind.SwiGlu, 33, 65).WithInnerNorm(Rms),
        FfnSpec.Create(FfnKind.SquaredRelu, 17, 100, bias: true).WithInnerNorm(Layer),
        FfnSpec.Create(FfnKind.Gelu, 20, 16, bias: true).WithInnerNorm(Layer with { HasWeight = false, HasBias = false }).WithNorms(Rms, Rms),
        Sparse(FfnKind.GeGluTanh, 31, 129, 1.5f),
        Sparse(FfnKind.GeGluTanh with { Parameters = new() { InputFactor = 0.3f } }, 16, 33, -0.2f).WithInnerNorm(Rms with { WeightOffset = 1 }),
        FfnSpec.Create(FfnKind.SwiGlu with { Parameters = new() { InputFactor = 0.37f } }, 33, 40, bias: true).WithOutputFactor(0.6f).WithNorms(Rms),
        FfnSpec.Create(FfnKind.Linear with { Parameters = new() { InputFactor = -2 } }, 16, 16),
        FfnSpec.Create(new FfnKind(false, Activation.Xielu, new() { PositiveAlpha = 0.7f, NegativeAlpha = 1.1f, Beta = 0.4f, Epsilon = -0.1f }), 15, 63),
        FfnSpec.Stack(new FfnStage(FfnKind.Silu, 9, 12, true), new FfnStage(FfnKind.Gelu, 12, 9, true)).WithOutputFactor(-1.5f),
        FfnSpec.Create(FfnKind.Relu, 31, 32, bias: true).WithBlockForm(new() { BranchFactor = 0.22f }),
        FfnSpec.Create(FfnKind.SwiGlu, 32, 31).WithNorms(Rms).WithBlockForm(new() { ResidualFactor = 3.5f }),
        FfnSpec.Create(FfnKind.SwiGlu, 32, 31).WithNorms(Rms).WithBlockForm(new() { ResidualIsNormed = true }),
        FfnSpec.Create(FfnKind.GeluTanh, 21, 31, bias: true).WithNorms(post: Layer).WithBlockForm(new() { ResidualIsNormed = true }),
        FfnSpec.Create(FfnKind.Gelu, 33, 17, bias: true).WithNorms(Layer).WithBlockForm(new() { HasBranchScale = true }),
        FfnSpec.Create(FfnKind.SwiGlu, 33, 65, bias: true).WithNorms(Rms, Layer, Rms).WithBlockForm(All).WithInnerNorm(Rms).WithOutputFactor(0.5f),
    ];

    private static IEnumerable<FfnSpec> Mixtures =>
    [
        FfnSpec.Create(FfnKind.SwiGlu, 24, 17).WithNorms(Rms, Layer, Rms).WithExperts(new MixtureSpec(5, 2) { SharedDFf = 9 }),
        FfnSpec.Create(FfnKind.SwiGlu, 24, 17, bias: true).WithNorms(Rms, post: Layer).WithExperts(new MixtureSpec(5, 2) { SharedDFf = 9 })
            .WithBlockForm(All).WithOutputFactor(0.7f),
        FfnSpec.Create(FfnKind.Gelu, 15, 33).WithBlockForm(new() { ResidualIsNormed = true, BranchFactor = -0.5f }).WithNorms(Layer)
            .WithExperts(new MixtureSpec(3, 1) { HasOutputBias = true }),
        FfnSpec.Create(FfnKind.SwiGlu, 24, 17).WithNorms(Rms).WithExperts(
            new MixtureSpec(4, 1) { Scoring = RouterScoring.Sigmoid, Renormalize = false, WeighsInput = true, SharedDFf = 12 }),
        FfnSpec.Create(FfnKind.SwiGlu, 24, 17, bias: true).WithExperts(new MixtureSpec(6, 3) { WeighsInput = true, HasOutputBias = true, Scaling = 2 }),
        FfnSpec.Create(FfnKind.SwiGlu, 16, 24).WithNorms(Rms).WithExperts(new MixtureSpec(4, 2)).WithOutputFactor(0.3f),
    ];

    private static FfnSpec Sparse(FfnKind kind, int dModel, int dFf, float multiplier) => FfnSpec.Create(
        kind with { Parameters = (kind.Parameters ?? new()) with { SparsityMultiplier = multiplier } }, dModel, dFf, bias: dModel % 2 == 1);
}
