using NativeFfn.Backends.Parallel;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Ranks;

/// <summary>Layers that are cut over ranks, dealt out so that each count of ranks has a part of them.</summary>
internal static class RankCases
{
    /// <summary>Two pairs and a stage that stays whole.</summary>
    public static FfnSpec Pairs { get; } = FfnSpec.Stack(
        new FfnStage(FfnKind.Silu, 12, 31, HasBias: true), new FfnStage(FfnKind.Linear, 31, 17, HasBias: true),
        new FfnStage(FfnKind.Gelu, 17, 20, HasBias: true),
        new FfnStage(FfnKind.SwiGlu, 20, 29, HasBias: true),
        new FfnStage(FfnKind.Linear, 29, 12, HasBias: true));

    /// <summary>The same with a factor, which no GPU has.</summary>
    public static FfnSpec Stack { get; } = Pairs.WithOutputFactor(0.5f);

    /// <summary>A third of the dense layers for 2, 3 and 4 ranks each.</summary>
    public static IEnumerable<ParityCase> Dense(int ranks) => ParityCases.OfKinds().Concat(ParityCases.OfNorms())
        .Where(static layer => layer.Spec.DFf >= 4 && !layer.Spec.FinishesHiddenRows)
        .Where((_, index) => index % 3 == ranks - 2);

    /// <summary>Half of the mixtures that a plan can cut.</summary>
    public static IEnumerable<ParityCase> Mixtures(int ranks, string plan)
    {
        int groups = plan.Contains("expert", StringComparison.Ordinal) ? plan[^1] - '0' : 1;
        return MixtureCases.All().Where((layer, index) =>
            index % 2 == ranks % 2 && layer.Spec.Mixture!.Experts >= groups && layer.Spec.DFf >= ranks);
    }

    /// <summary>A mixture with experts for every rank.</summary>
    public static ParityCase ManyExperts() =>
        MixtureCases.All().First(static layer => layer.Spec.Mixture!.Experts == 8 && layer.Tokens > 1);

    /// <summary>Every layer of some golden cases that can be cut and has this mode.</summary>
    public static void EachGolden(IEnumerable<GoldenCase> cases, FfnMode mode, int ranks, Func<FfnCheckpointLayer, float[], float[]> run)
    {
        foreach (GoldenCase golden in cases)
        {
            if (golden.ReadExpected(mode) is not { } expected)
            {
                continue;
            }

            using FfnCheckpoint checkpoint = FfnCheckpoint.Open(golden.Model);
            FfnCheckpointLayer found = checkpoint.GetLayer(golden.Layer);
            if (LayerCut.WhyNot(found.Spec) is null)
            {
                Tolerances.AssertClose(
                    run(found, golden.ReadInput()), Estimate.Exact(expected), Tolerances.Golden, $"{golden.Name} {mode} on {ranks} ranks");
            }
        }
    }
}
