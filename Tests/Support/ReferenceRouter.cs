namespace NativeFfn.Tests.Support;

/// <summary>What the reference says of one token.</summary>
/// <param name="Gates">g_e of every expert; 0 where it was not chosen.</param>
/// <param name="Chosen">The chosen experts, best first.</param>
/// <param name="Scores">s_e of every expert; the bounded logits of a sparse mixer.</param>
/// <param name="Margin">By how much the closest decision was decided; infinite where there was none.</param>
internal sealed record ReferenceRoute(double[] Gates, int[] Chosen, double[] Scores, double Margin);

/// <summary>Routing in float64, written from the papers, by counting for each expert how many are better.</summary>
/// <remarks>
/// <para>DeepSeek-V3 (arXiv 2412.19437, section 2.1.2, equations 12 to 16): s_i = σ(u · e_i); g'_i = s_i where s_i + b_i is among the
/// K_r largest of all s_j + b_j, else 0; g_i = g'_i / Σ g'_j. Node-limited routing: a token goes to M groups at most, those with the
/// largest sums of their K_r / M highest scores, which are 8 / 4 = 2. The released model multiplies g with a factor.</para>
/// <para>Mixtral (arXiv 2401.04088, section 2.1): g = softmax over the K largest logits, which is the softmax of all, divided by the sum
/// of the chosen. Qwen2-MoE leaves the division out.</para>
/// <para>Of equal ones the lower index is the better.</para>
/// </remarks>
internal static class ReferenceRouter
{
    public static ReferenceRoute Route(MixtureSpec mixture, double[] logits, double[]? bias)
    {
        if (mixture.LogitSoftcap > 0)
        {
            logits = Array.ConvertAll(logits, logit => mixture.LogitSoftcap * Math.Tanh(logit / mixture.LogitSoftcap));
        }

        if (mixture.Scoring == RouterScoring.SparseMixer)
        {
            return RouteSparsely(mixture, logits);
        }

        double[] s = Array.ConvertAll(logits, logit => mixture.Scoring switch
        {
            RouterScoring.Sigmoid => ReferenceMath.Sigmoid(logit),
            RouterScoring.SqrtSoftplus => Math.Sqrt(ReferenceMath.Softplus(logit)),
            _ => 1 / logits.Sum(other => Math.Exp(other - logit)),
        });
        double[] c = [.. s.Select((score, i) => score + (bias?[i] ?? 0))];

        double margin = double.PositiveInfinity;
        int[] candidates = [.. Enumerable.Range(0, c.Length)];
        if (mixture.TopGroups < mixture.Groups)
        {
            int size = c.Length / mixture.Groups;
            double[] groups = [.. Enumerable.Range(0, mixture.Groups).Select(group => SumOfBest(mixture, c[(group * size)..((group + 1) * size)]))];
            int[] all = [.. Enumerable.Range(0, groups.Length)];
            int[] best = [.. all.Where(group => Better(groups, all, group) < mixture.TopGroups)];
            margin = Decision(groups, best, all);
            if (mixture.MasksWithZero)
            {
                c = [.. c.Select((score, expert) => best.Contains(expert / size) ? score : 0)];
            }
            else
            {
                candidates = [.. candidates.Where(expert => best.Contains(expert / size))];
            }
        }

        int[] chosen = [.. candidates.Where(expert => Better(c, candidates, expert) < mixture.TopK).OrderBy(expert => Better(c, candidates, expert))];
        margin = Math.Min(margin, Decision(c, chosen, candidates));
        return Weigh(mixture, s, chosen, Array.ConvertAll(chosen, expert => s[expert]), margin);
    }

    // PhiMoE: the largest is chosen, weighed among those not far below it, and taken out; then the next.
    private static ReferenceRoute RouteSparsely(MixtureSpec mixture, double[] logits)
    {
        var (chosen, weights, margin) = (new List<int>(), new List<double>(), double.PositiveInfinity);
        for (int i = 0; i < mixture.TopK; i++)
        {
            int[] left = [.. Enumerable.Range(0, logits.Length).Except(chosen)];
            int best = left.Single(expert => Better(logits, left, expert) == 0);
            double Below(int expert) => (logits[best] - logits[expert]) / Math.Max(Math.Abs(logits[expert]), logits[best]);
            weights.Add(1 / left.Where(expert => !(Below(expert) > 2 * mixture.Jitter)).Sum(expert => Math.Exp(logits[expert] - logits[best])));
            margin = left.Where(expert => expert != best)
                .Select(expert => Math.Min(Below(expert), Math.Abs(Below(expert) - (2 * mixture.Jitter)))).Append(margin).Min();
            chosen.Add(best);
        }

        return Weigh(mixture, logits, [.. chosen], [.. weights], margin);
    }

    private static ReferenceRoute Weigh(MixtureSpec mixture, double[] all, int[] chosen, double[] scores, double margin)
    {
        double sum = mixture.Renormalize ? Math.Max(scores.Sum() + mixture.RenormalizeEpsilon, mixture.SmallestSum) : 1;
        double[] gates = new double[all.Length];
        for (int i = 0; i < chosen.Length; i++)
        {
            gates[chosen[i]] = scores[i] / sum * mixture.Scaling;
        }

        return new ReferenceRoute(gates, chosen, all, margin);
    }

    private static int Better(double[] values, int[] among, int index) =>
        among.Count(other => values[other] > values[index] || (values[other] == values[index] && other < index));

    private static double SumOfBest(MixtureSpec mixture, double[] scores)
    {
        Array.Sort(scores);
        return scores[(mixture.GroupScoring == GroupScoring.Best ? ^1 : ^2)..].Sum();
    }

    private static double Decision(double[] values, int[] taken, int[] among)
    {
        int[] left = [.. among.Except(taken)];

        // Zeros are masked ones, alike in every precision.
        return left.Length == 0 || (taken.Min(index => values[index]) == 0 && left.Max(index => values[index]) == 0)
            ? double.PositiveInfinity
            : (taken.Min(index => values[index]) - left.Max(index => values[index])) / among.Max(index => Math.Abs(values[index]));
    }
}
