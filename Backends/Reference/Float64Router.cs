using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Reference;

/// <summary>Where one token goes.</summary>
/// <param name="Experts">The chosen experts, best first.</param>
/// <param name="Weights">What each one's result is multiplied with.</param>
/// <param name="Scores">The scores of all experts; the bounded logits of a sparse mixer.</param>
/// <param name="Margin">
/// By how much the choice was decided, relative to the largest number that was compared: where it is next to nothing, float32 may choose
/// otherwise. Infinite where there was nothing to choose.
/// </param>
internal sealed record Float64Route(int[] Experts, double[] Weights, double[] Scores, double Margin);

/// <summary>The routing of a mixture in float64, by the formula of <see cref="MixtureSpec"/>.</summary>
internal static class Float64Router
{
    /// <summary>Routes one token.</summary>
    /// <param name="mixture">How.</param>
    /// <param name="logits">One number an expert, the router's bias included.</param>
    /// <param name="selectionBias">One number an expert, or none.</param>
    public static Float64Route Route(MixtureSpec mixture, ReadOnlySpan<double> logits, ReadOnlySpan<float> selectionBias)
    {
        double softcap = mixture.LogitSoftcap;
        double[] z = Array.ConvertAll(logits.ToArray(), logit => softcap == 0 ? logit : softcap * Math.Tanh(logit / softcap));
        Float64Route route = mixture.Scoring == RouterScoring.SparseMixer ? ChooseSparsely(mixture, z) : ChooseBest(mixture, z, selectionBias);
        double divisor = mixture.Renormalize ? Math.Max(route.Weights.Sum() + mixture.RenormalizeEpsilon, mixture.SmallestSum) : 1;
        return route with { Weights = [.. route.Weights.Select(weight => weight / divisor * mixture.Scaling)] };
    }

    private static Float64Route ChooseBest(MixtureSpec mixture, double[] logits, ReadOnlySpan<float> selectionBias)
    {
        double[] scores = mixture.Scoring switch
        {
            RouterScoring.Softmax => Softmax(logits),
            RouterScoring.Sigmoid => Array.ConvertAll(logits, SigmoidActivation.Of),
            _ => Array.ConvertAll(logits, static logit => Math.Sqrt(RouterScores.Softplus(logit))),
        };
        double[] choice = [.. scores];
        for (int i = 0; i < selectionBias.Length; i++)
        {
            choice[i] += selectionBias[i];
        }

        // Sorting keeps equal ones in their order: the lower index wins.
        int groupSize = mixture.Experts / mixture.Groups;
        double groupMargin = double.PositiveInfinity;
        IEnumerable<int> candidates = Enumerable.Range(0, mixture.Experts);
        if (mixture.TopGroups < mixture.Groups)
        {
            int counted = mixture.GroupScoring == GroupScoring.Best ? 1 : 2;
            double[] groups = [.. Enumerable.Range(0, mixture.Groups)
                .Select(group => choice.Skip(group * groupSize).Take(groupSize).OrderDescending().Take(counted).Sum())];
            int[] best = [.. Enumerable.Range(0, mixture.Groups).OrderByDescending(group => groups[group])];
            groupMargin = Margin(groups, best, mixture.TopGroups);
            HashSet<int> top = [.. best.Take(mixture.TopGroups)];
            foreach (int expert in Enumerable.Range(0, mixture.Experts).Where(expert => !top.Contains(expert / groupSize)))
            {
                choice[expert] = mixture.MasksWithZero ? 0 : double.NegativeInfinity;
            }

            candidates = candidates.Where(expert => mixture.MasksWithZero || top.Contains(expert / groupSize));
        }

        int[] order = [.. candidates.OrderByDescending(expert => choice[expert])];
        int[] chosen = order[..mixture.TopK];
        return new Float64Route(
            chosen, [.. chosen.Select(expert => scores[expert])], scores, Math.Min(groupMargin, Margin(choice, order, mixture.TopK)));
    }

    // Each one's weight is its softmax over those left that are about as good; close decisions are who is the best, and who is about as good.
    private static Float64Route ChooseSparsely(MixtureSpec mixture, double[] logits)
    {
        List<int> left = [.. Enumerable.Range(0, logits.Length).OrderByDescending(expert => logits[expert])];
        int[] chosen = [.. left.Take(mixture.TopK)];
        double size = Math.Max(logits.Max(Math.Abs), double.Epsilon);
        double margin = double.PositiveInfinity;
        double[] weights = new double[chosen.Length];
        for (int i = 0; i < chosen.Length; i++)
        {
            double largest = logits[chosen[i]];
            double[] excess = [.. left.Select(expert =>
                largest - logits[expert] - (2.0 * mixture.Jitter * Math.Max(Math.Abs(logits[expert]), largest)))];
            weights[i] = 1 / left.Where((_, place) => excess[place] <= 0).Sum(expert => Math.Exp(logits[expert] - largest));
            margin = left.Count == 1 ? margin : Math.Min(margin, Math.Min(largest - logits[left[1]], excess[1..].Min(Math.Abs)) / size);
            left.RemoveAt(0);
        }

        return new Float64Route(chosen, weights, logits, margin);
    }

    // Masked ones are equal in every precision, and the lower index wins.
    private static double Margin(double[] values, int[] order, int taken) =>
        taken == order.Length || (values[order[taken - 1]] == 0 && values[order[taken]] == 0) ? double.PositiveInfinity
        : (values[order[taken - 1]] - values[order[taken]]) / Math.Max(order.Max(index => Math.Abs(values[index])), double.Epsilon);

    private static double[] Softmax(double[] logits)
    {
        double largest = double.NegativeInfinity;
        foreach (double logit in logits)
        {
            largest = Math.Max(largest, logit);
        }

        double[] exponentials = new double[logits.Length];
        for (int i = 0; i < logits.Length; i++)
        {
            exponentials[i] = Math.Exp(logits[i] - largest);
        }

        double sum = exponentials.Sum();
        return [.. exponentials.Select(value => value / sum)];
    }
}
