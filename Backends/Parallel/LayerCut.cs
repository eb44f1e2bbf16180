using System.Collections.Immutable;
using System.Numerics;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Parallel;

/// <summary>Stages of a layer that a rank runs between two meetings.</summary>
/// <param name="Spec">The stages as the rank has them, without what a block has around them.</param>
/// <param name="Weights">Their weights.</param>
/// <param name="IsSum">Whether the results of all ranks are to be added up; where not, every rank has the whole result.</param>
internal sealed record LayerPart(FfnSpec Spec, IFfnWeightSource Weights, bool IsSum)
{
    /// <summary>For each rank the experts whose tokens it has a part in; null where it has one in every token. Empty where all have.</summary>
    public ImmutableArray<Cut?> ExpertsOfRanks { get; init; } = [];

    /// <summary>Whether a rank has a part in a token's result.</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="experts">The token's experts, of a mixture.</param>
    public bool Wants(int rank, ReadOnlySpan<int> experts)
    {
        if (ExpertsOfRanks.IsEmpty || ExpertsOfRanks[rank] is not { } own)
        {
            return true;
        }

        foreach (int expert in experts)
        {
            if ((uint)(expert - own.First) < (uint)own.Count)
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>
/// Cuts layers: the rows of a first stage and the columns of the one after it, so that each rank's results add up to the whole; experts by
/// groups of ranks.
/// </summary>
/// <param name="Spec">The layer.</param>
/// <param name="Source">Its weights.</param>
/// <param name="Precision">How the engine keeps them.</param>
/// <param name="Rank">This rank.</param>
/// <param name="Ranks">Ranks.</param>
internal sealed record LayerCut(FfnSpec Spec, IFfnWeightSource Source, FfnPrecision Precision, int Rank, int Ranks)
{
    // Rows of d_ff that a rank should have: fewer cost more in meetings than they save in reading.
    private const int LeastRows = 64;

    /// <summary>Why a layer cannot be cut, whatever its weights; null where it can.</summary>
    public static string? WhyNot(FfnSpec spec) =>
        spec.FinishesHiddenRows ? "it computes on whole hidden rows (an inner norm or sparsity), which no rank has. Run it on one rank."
        : spec.Mixture is null && !Enumerable.Range(0, spec.Stages.Length).Any(stage => IsPair(spec, stage))
            ? "no stage is followed by a linear one, so that results of ranks would not add up. Run it on one rank."
        : null;

    /// <summary>The parts of this rank, in the order in which they run.</summary>
    /// <param name="plan">The plan.</param>
    /// <exception cref="NotSupportedException">There are more ranks than the layer has pieces.</exception>
    public IReadOnlyList<LayerPart> Parts(ParallelPlan plan) => Spec.Mixture is { } mixture ? [OfMixture(mixture, plan)] : OfStages();

    private static bool IsPair(FfnSpec spec, int stage) =>
        stage + 1 < spec.Stages.Length && spec.Stages[stage + 1].Kind is { Gated: false, Parameters: null } next && next.Activation == Activation.Identity;

    private List<LayerPart> OfStages()
    {
        List<LayerPart> parts = [];
        int most = 0;
        int first = 0;
        for (int stage = 0; stage < Spec.Stages.Length; stage++)
        {
            int units = IsPair(Spec, stage) ? Cut.Units(Spec.Stages[stage].Width, UnitOf(new TensorKey(FfnTensorRole.Weight, stage + 1))) : 0;
            most = Math.Max(most, units);
            if (units >= Ranks)
            {
                AddWhole(parts, first, stage);
                parts.Add(OfPair(stage));
                first = stage + 2;
                stage++;
            }
        }

        if (most < Ranks)
        {
            throw TooMany(Spec.ToString(), most);
        }

        AddWhole(parts, first, Spec.Stages.Length);
        return parts;
    }

    // What cannot be cut in a stack every rank runs alike.
    private void AddWhole(List<LayerPart> parts, int first, int end)
    {
        if (first < end)
        {
            parts.Add(new LayerPart(
                Finish(FfnSpec.Stack(Spec.Stages.AsSpan()[first..end]), end),
                new ShardSource(Source, tensor => TensorShard.Whole(Spec.Find(tensor.Key with { Stage = first + tensor.Stage })!)),
                IsSum: false));
        }
    }

    private LayerPart OfPair(int stage)
    {
        Cut cut = Cut.Of(Spec.Stages[stage].Width, UnitOf(new TensorKey(FfnTensorRole.Weight, stage + 1)), Rank, Ranks);
        FfnSpec part = FfnSpec.Stack(
            Spec.Stages[stage] with { Width = cut.Count }, Spec.Stages[stage + 1] with { InputWidth = cut.Count });
        return new LayerPart(
            Finish(part, stage + 2),
            new ShardSource(Source, tensor => OfNetwork(tensor, Spec.Find(tensor.Key with { Stage = stage + tensor.Stage })!, cut, Rank == 0)),
            IsSum: true);
    }

    // The factor of a layer's result is one of each rank's as well.
    private FfnSpec Finish(FfnSpec part, int end) => end == Spec.Stages.Length ? part.WithOutputFactor(Spec.OutputFactor) : part;

    private LayerPart OfMixture(MixtureSpec mixture, ParallelPlan asked)
    {
        int unit = UnitOf([.. Enumerable.Range(0, mixture.Experts).Select(static expert => new TensorKey(FfnTensorRole.Weight, 1, expert))]);
        ParallelPlan plan = asked.IsAuto ? Choose(mixture, unit) : asked;
        if (plan.Expert > mixture.Experts)
        {
            throw TooMany($"the experts of {Spec} by groups of {plan.Tensor}", mixture.Experts * plan.Tensor);
        }

        if (Cut.Units(Spec.DFf, unit) is var units && units < plan.Tensor)
        {
            throw TooMany($"each expert of {Spec}, whose columns stay together by {unit},", units);
        }

        Cut experts = Cut.Of(mixture.Experts, 1, Rank / plan.Tensor, plan.Expert);
        Cut rows = Cut.Of(Spec.DFf, unit, Rank % plan.Tensor, plan.Tensor);

        // The shared network runs for every token: all ranks have a part of it, or as many as it has pieces.
        int sharedUnit = mixture.SharedDFf == 0 ? 1 : UnitOf(new TensorKey(FfnTensorRole.Weight, 1, FfnTensor.SharedExpert));
        int sharing = Math.Min(Ranks, Cut.Units(mixture.SharedDFf, sharedUnit));
        Cut shared = Rank < sharing ? Cut.Of(mixture.SharedDFf, sharedUnit, Rank, sharing) : default;
        FfnSpec part = FfnSpec.Stack(Spec.Stages[0] with { Width = rows.Count }, Spec.Stages[1] with { InputWidth = rows.Count })
            .WithExperts(mixture with
            {
                FirstOwnExpert = experts.First,
                OwnExperts = experts.Count,
                SharedDFf = shared.Count,
                HasSharedGate = mixture.HasSharedGate && shared.Count > 0,
            })
            .WithOutputFactor(Spec.OutputFactor);
        return new LayerPart(part, new ShardSource(Source, ShardOf), IsSum: true)
        {
            ExpertsOfRanks =
            [
                .. Enumerable.Range(0, Ranks).Select(rank => rank < sharing || (rank == 0 && mixture.HasOutputBias)
                    ? (Cut?)null
                    : Cut.Of(mixture.Experts, 1, rank / plan.Tensor, plan.Expert)),
            ],
        };

        TensorShard ShardOf(FfnTensor tensor)
        {
            FfnTensor whole = Spec.Find(tensor.Key)!;
            return tensor.Role == FfnTensorRole.MixtureBias ? TensorShard.Whole(whole) with { IsZero = Rank > 0 }
                : tensor.Expert == FfnTensor.NoExpert ? TensorShard.Whole(whole)
                : tensor.Expert == FfnTensor.SharedExpert ? OfNetwork(tensor, whole, shared, Rank == 0)
                : OfNetwork(tensor, whole, rows, Rank % plan.Tensor == 0);
        }
    }

    // As few groups of experts as leave every rank rows enough: a cut through all experts is even whatever tokens choose.
    private ParallelPlan Choose(MixtureSpec mixture, int unit)
    {
        ParallelPlan[] plans = [.. ParallelPlan.Of(Ranks, mixture.Experts).Where(plan => plan.Tensor <= Cut.Units(Spec.DFf, unit))];
        return plans.Length == 0
            ? throw TooMany($"{Spec}, whose columns stay together by {unit},", mixture.Experts * Cut.Units(Spec.DFf, unit))
            : plans.FirstOrDefault(plan => Spec.DFf / plan.Tensor >= LeastRows, plans[0]);
    }

    // Rows of the first stage and its biases, columns of the second, whose bias one rank adds.
    private static TensorShard OfNetwork(FfnTensor part, FfnTensor whole, Cut cut, bool addsBias) => (part.Stage, part.IsVector) switch
    {
        (0, false) => TensorShard.Whole(whole) with { Rows = cut },
        (0, true) or (_, false) => TensorShard.Whole(whole) with { Columns = cut },
        _ => TensorShard.Whole(whole) with { IsZero = !addsBias },
    };

    // Columns of some matrices that stay together, as they are stored and as they will be kept.
    private int UnitOf(params ReadOnlySpan<TensorKey> keys)
    {
        BigInteger unit = 1;
        foreach (TensorKey key in keys)
        {
            FfnTensor tensor = Spec.Find(key)!;
            Join(WeightEncodings.Choose(Precision, Source, tensor).CutColumns);
            Join((Source as IEncodedWeightSource)?.EncodingOf(tensor).CutColumns ?? 1);
        }

        return (int)BigInteger.Min(unit, int.MaxValue);

        void Join(int columns) => unit = unit / BigInteger.GreatestCommonDivisor(unit, columns) * columns;
    }

    private NotSupportedException TooMany(string what, int most) =>
        new($"{what} can be cut for {most} ranks at most, and there are {Ranks}. Use fewer ranks, or another plan.");
}
