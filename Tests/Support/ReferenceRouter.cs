namespace NativeFfn.Tests.Support;

/// <summary>What the reference says of one token.</summary>
/// <param name="Gates">g_e of every expert; 0 where it was not chosen.</param>
/// <param name="Chosen">The chosen experts, best first.</param>
/// <param name="Margin">By how much the closest decision was decided; infinite where there was none.</param>
internal sealed record ReferenceRoute(double[] Gates, int[] Chosen, double Margin);

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
    private const int ScoresOfGroup = 2;

    public static ReferenceRoute Route(MixtureSpec mixture, double[] logits, double[]? bias)
    {
        double[] s = Array.ConvertAll(logits, logit => mixture.Scoring == RouterScoring.Sigmoid
            ? ReferenceMath.Sigmoid(logit)
            : 1 / logits.Sum(other => Math.Exp(other - logit)));
        double[] c = [.. s.Select((score, i) => score + (bias?[i] ?? 0))];

        double margin = double.PositiveInfinity;
        int[] candidates = [.. Enumerable.Range(0, c.Length)];
        if (mixture.TopGroups < mixture.Groups)
        {
            int size = c.Length / mixture.Groups;
            double[] groups = [.. Enumerable.Range(0, mixture.Groups).Select(group => SumOfBest(c[(group * size)..((group + 1) * size)]))];
            int[] all = [.. Enumerable.Range(0, groups.Length)];
            int[] best = [.. all.Where(group => Better(groups, all, group) < mixture.TopGroups)];
            margin = Decision(groups, best, all);
            candidates = [.. candidates.Where(expert => best.Contains(expert / size))];
        }

        int[] chosen = [.. candidates.Where(expert => Better(c, candidates, expert) < mixture.TopK).OrderBy(expert => Better(c, candidates, expert))];
        margin = Math.Min(margin, Decision(c, chosen, candidates));
        double sum = mixture.Renormalize ? chosen.Sum(expert => s[expert]) : 1;
        double[] gates = new double[c.Length];
        foreach (int expert in chosen)
        {
            gates[expert] = s[expert] / sum * mixture.Scaling;
        }

        return new ReferenceRoute(gates, chosen, margin);
    }

    private static int Better(double[] values, int[] among, int index) =>
        among.Count(other => values[other] > values[index] || (values[other] == values[index] && other < index));

    private static double SumOfBest(double[] scores)
    {
        Array.Sort(scores);
        return scores[^ScoresOfGroup..].Sum();
    }

    private static double Decision(double[] values, int[] taken, int[] among)
    {
        int[] left = [.. among.Except(taken)];
        return left.Length == 0
            ? double.PositiveInfinity
            : (taken.Min(index => values[index]) - left.Max(index => values[index])) / among.Max(index => Math.Abs(values[index]));
    }
}
