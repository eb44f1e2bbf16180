using System.Collections.Immutable;
using NativeFfn.Backends;
using NativeFfn.Backends.Parallel;

namespace NativeFfn.Cli.Planning;

/// <summary>Predicts what a layer takes on several ranks, for every plan by which it can be cut.</summary>
/// <param name="Spec">The layer.</param>
/// <param name="Weights">Its weights, of which encodings alone are asked.</param>
/// <param name="Precision">How matrices are kept.</param>
/// <param name="Ceilings">What a rank can do.</param>
/// <param name="MemoryBytes">What the weights of a rank may take; <see cref="long.MaxValue"/> for any number.</param>
internal sealed record Planner(FfnSpec Spec, IFfnWeightSource Weights, FfnPrecision Precision, PlanCeilings Ceilings, long MemoryBytes)
{
    // Parts differ by a unit of columns or an expert, and every size there is comes early.
    private const int RanksLookedAt = 64;

    // What rank 0 tells the others of a forward, and of each choice of a token: an expert's index and its weight.
    private const int MessageBytes = 16;
    private const int ChoiceBytes = sizeof(int) + sizeof(float);

    /// <summary>Every plan of these numbers of ranks at these token counts.</summary>
    public (ImmutableArray<PlanRow> Rows, ImmutableArray<PlanRefusal> Refused) Run(IEnumerable<int> ranks, ImmutableArray<int> tokens)
    {
        var rows = ImmutableArray.CreateBuilder<PlanRow>();
        var refused = ImmutableArray.CreateBuilder<PlanRefusal>();
        foreach (int count in ranks)
        {
            List<PlanRow> found = [];
            foreach (ParallelPlan plan in ParallelPlan.Of(count, Spec.Mixture?.Experts ?? 0))
            {
                try
                {
                    found.AddRange(RowsOf(plan, tokens));
                }
                catch (NotSupportedException exception)
                {
                    refused.Add(new PlanRefusal(count, plan.ToString(), exception.Message));
                }
            }

            rows.AddRange(from row in found
                          let best = found.Where(other => other.Fits && other.Tokens == row.Tokens).MinBy(static other => other.Ms)
                          select row with { IsBest = row == best });
        }

        return (rows.ToImmutable(), refused.ToImmutable());
    }

    private PlanRow[] RowsOf(ParallelPlan plan, ImmutableArray<int> tokens)
    {
        if (LayerCut.WhyNot(Spec) is { } reason && plan.Ranks > 1)
        {
            throw new NotSupportedException($"{Spec} cannot be cut over ranks: {reason}");
        }

        RankShare[] shares = RankShare.OfFirst(
            new LayerCut(Spec, Weights, Precision, Rank: 0, plan.Ranks), plan, Math.Min(plan.Ranks, RanksLookedAt));
        return [.. tokens.Select(count => RowOf(plan, count, shares))];
    }

    private PlanRow RowOf(ParallelPlan plan, int tokens, RankShare[] shares)
    {
        RankShare.Amount most = shares.Select(share => share.Of(tokens)).MaxBy(amount => Ceilings.ComputeMs(amount.Bytes, amount.Flops));
        double compute = Ceilings.ComputeMs(most.Bytes, most.Flops);
        double collective = 0;
        double traffic = 0;
        if (plan.Ranks > 1)
        {
            double told = ((double)tokens * ((sizeof(float) * Spec.InputWidth) + ((Spec.Mixture?.TopK ?? 0) * ChoiceBytes))) + MessageBytes;
            double[] summed = [.. shares[0].SummedWidths.Select(width => (double)tokens * sizeof(float) * width)];
            collective = Ceilings.BroadcastMs(plan.Ranks, told) + summed.Sum(bytes => Ceilings.AllReduceMs(plan.Ranks, bytes));
            traffic = told + (2.0 * (plan.Ranks - 1) / plan.Ranks * summed.Sum());
        }

        long bytes = shares.Max(static share => share.WeightBytes);
        double time = compute + collective;
        return new PlanRow(
            plan.Ranks, plan.ToString(), bytes, bytes <= MemoryBytes, tokens, time, 1e3 * time / tokens, compute, collective, traffic,
            collective > compute ? "link" : Ceilings.IsBoundByMemory(most.Bytes, most.Flops) ? "memory" : "arithmetic", IsBest: false);
    }
}
