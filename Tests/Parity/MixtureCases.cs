namespace NativeFfn.Tests.Parity;

/// <summary>The mixtures that backends are compared with the oracle on.</summary>
internal static class MixtureCases
{
    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);

    /// <summary>Every convention of routing, counts of experts from one to many, one token to many.</summary>
    public static IEnumerable<ParityCase> All()
    {
        int seed = 20_000;
        foreach (MixtureSpec mixture in Conventions)
        {
            foreach (FfnMode mode in Enum.GetValues<FfnMode>())
            {
                yield return Case(mixture, 33, 40, 1, mode, seed += 10);
                yield return Case(mixture, 24, 17, 37, mode, seed += 10);
            }
        }

        foreach (int tokens in new[] { 2, 5, 64, 512 })
        {
            yield return Case(Mixtral, 48, 65, tokens, FfnMode.Residual, seed += 10);
            yield return Case(DeepSeek, 32, 16, tokens, FfnMode.Block, seed += 10);
        }

        // Experts of other kinds, with biases, and a norm that has one.
        yield return new ParityCase(
            FfnSpec.Create(FfnKind.Gelu, 20, 31, bias: true).WithNorms(new NormSpec(NormKind.Layer, 1e-5f)).WithExperts(
                new MixtureSpec(5, 3) { SharedDFf = 12, HasSharedGate = true }),
            19, FfnMode.Block, seed += 10);
        yield return new ParityCase(
            FfnSpec.Create(FfnKind.GeGluTanh, 16, 40, bias: true).WithExperts(new MixtureSpec(4, 2) { SharedDFf = 8 }), 9, FfnMode.Residual, seed += 10);
        yield return new ParityCase(FfnSpec.Create(FfnKind.SwiGlu, 16, 24).WithExperts(new MixtureSpec(4, 2)), 0, FfnMode.Ffn, seed);
    }

    private static MixtureSpec Mixtral => new(8, 2);

    private static MixtureSpec DeepSeek => new(256, 8)
    {
        Scoring = RouterScoring.Sigmoid,
        HasSelectionBias = true,
        Groups = 8,
        TopGroups = 4,
        Scaling = 2.5f,
        SharedDFf = 24,
    };

    private static IEnumerable<MixtureSpec> Conventions =>
    [
        new(1, 1),
        new(1, 1) { Scoring = RouterScoring.Sigmoid, Renormalize = false },
        new(2, 1),
        new(2, 2) { Renormalize = false },
        Mixtral,
        new(8, 1) { Renormalize = false, SharedDFf = 21, HasSharedGate = true },
        new(8, 8),
        new(8, 3) { Renormalize = false, SharedDFf = 40 },
        new(8, 3) { Scoring = RouterScoring.Sigmoid, Renormalize = false, Scaling = -0.5f },
        new(12, 4) { Scoring = RouterScoring.Sigmoid, HasSelectionBias = true, Groups = 3, TopGroups = 2, Scaling = 2.5f, SharedDFf = 33 },
        new(12, 4) { HasSelectionBias = true, Groups = 6, TopGroups = 6 },
        new(12, 2) { Groups = 4, TopGroups = 1, SharedDFf = 9, HasSharedGate = true },
        new(256, 1),
        DeepSeek,
        new(256, 256),
        new(8, 2) { HasRouterBias = true, LogitSoftcap = 1.5f },
        new(8, 3) { Scoring = RouterScoring.SqrtSoftplus, HasSelectionBias = true, RenormalizeEpsilon = 0.5f },
        new(8, 2) { Scoring = RouterScoring.SparseMixer, Renormalize = false },
        new(6, 5) { Scoring = RouterScoring.SparseMixer, Jitter = 0.4f, Scaling = 1.5f },
        new(12, 5) { GroupScoring = GroupScoring.Best, Groups = 4, TopGroups = 2, HasSelectionBias = true, MasksWithZero = true },
        new(6, 1) { GroupScoring = GroupScoring.Best, Groups = 6, TopGroups = 2, SmallestSum = 0.7f },
        new(4, 2) { SharedDFf = 11, SharedFactor = 0.25f },
        new(4, 2) { SharedDFf = 11, SharedFactor = -2, HasSharedGate = true, HasRouterBias = true },
    ];

    private static ParityCase Case(MixtureSpec mixture, int dModel, int dFf, int tokens, FfnMode mode, int seed) =>
        new(FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf).WithNorms(Rms).WithExperts(mixture), tokens, mode, seed);
}
