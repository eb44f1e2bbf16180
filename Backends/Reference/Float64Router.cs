using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Reference;

/// <summary>Where one token goes.</summary>
/// <param name="Experts">The chosen experts, best first.</param>
/// <param name="Weights">What each one's result is multiplied with.</param>
/// <param name="Margin">
/// By how much the choice was decided, relative to the largest number that was compared: where it is next to nothing, float32 may choose
/// otherwise. Infinite where there was nothing to choose.
/// </param>
internal sealed record Float64Route(int[] Experts, double[] Weights, double Margin);

/// <summary>The routing of a mixture in float64, by the formula of <see cref="MixtureSpec"/>.</summary>
internal static class Float64Router
{
    /// <summary>Routes one token.</summary>
    /// <param name="mixture">How.</param>
    /// <param name="logits">One number an expert.</param>
    /// <param name="selectionBias">One number an expert, or none.</param>
    public static Float64Route Route(MixtureSpec mixture, ReadOnlySpan<double> logits, ReadOnlySpan<float> selectionBias)
    {
        double[] scores = mixture.Scoring == RouterScoring.Softmax ? Softmax(logits) : Sigmoid(logits);
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
            double[] groups = [.. Enumerable.Range(0, mixture.Groups)
                .Select(group => choice.Skip(group * groupSize).Take(groupSize).OrderDescending().Take(2).Sum())];
            int[] best = [.. Enumerable.Range(0, mixture.Groups).OrderByDescending(group => groups[group])];
            groupMargin = Margin(groups, best, mixture.TopGroups);
            HashSet<int> top = [.. best.Take(mixture.TopGroups)];
            candidates = candidates.Where(expert => top.Contains(expert / groupSize));
        }

        int[] order = [.. candidates.OrderByDescending(expert => choice[expert])];
        int[] chosen = order[..mixture.TopK];
        double[] weights = [.. chosen.Select(expert => scores[expert])];
        double divisor = !mixture.Renormalize ? 1 : weights.Sum() + (mixture.Scoring == RouterScoring.Sigmoid ? Router.SmallestSum : 0);
        return new Float64Route(
            chosen,
            [.. weights.Select(weight => weight / divisor * mixture.Scaling)],
            Math.Min(groupMargin, Margin(choice, order, mixture.TopK)));
    }

    private static double Margin(double[] values, int[] order, int taken) => taken == order.Length
        ? double.PositiveInfinity
        : (values[order[taken - 1]] - values[order[taken]]) / Math.Max(order.Max(index => Math.Abs(values[index])), double.Epsilon);

    private static double[] Softmax(ReadOnlySpan<double> logits)
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

    private static double[] Sigmoid(ReadOnlySpan<double> logits)
    {
        double[] scores = new double[logits.Length];
        for (int i = 0; i < logits.Length; i++)
        {
            scores[i] = SigmoidActivation.Of(logits[i]);
        }

        return scores;
    }
}
