using System.Globalization;

namespace NativeFfn.Backends.Routing;

/// <summary>Chooses a token's experts from its logits; the formula is <see cref="MixtureSpec"/>'s.</summary>
internal static class Router
{
    /// <summary>Chooses experts, best first.</summary>
    /// <param name="mixture">How tokens are routed.</param>
    /// <param name="logits">One logit an expert, without the router's bias; receives the scores, or of a sparse mixer the bounded logits.</param>
    /// <param name="bias">The router's bias, or none.</param>
    /// <param name="selectionBias">One number an expert, or none.</param>
    /// <param name="experts">Receives the TopK chosen experts.</param>
    /// <param name="weights">Receives their weights.</param>
    /// <returns>False where a logit is NaN or infinite, so that there is no choice.</returns>
    public static bool TryChoose(
        MixtureSpec mixture, Span<float> logits, ReadOnlySpan<float> bias, ReadOnlySpan<float> selectionBias, Span<int> experts,
        Span<float> weights)
    {
        for (int i = 0; i < bias.Length; i++)
        {
            logits[i] += bias[i];
        }

        if (!RouterScores.TryLimit(mixture.LogitSoftcap, logits))
        {
            return false;
        }

        if (mixture.Scoring == RouterScoring.SparseMixer)
        {
            ChooseSparsely(mixture.Jitter, logits, experts, weights);
        }
        else
        {
            RouterScores.Score(mixture.Scoring, logits);
            ChooseBest(mixture, logits, selectionBias, experts, weights);
        }

        float divisor = mixture.Renormalize ? Math.Max(Sum(weights) + mixture.RenormalizeEpsilon, mixture.SmallestSum) : 1;
        foreach (ref float weight in weights)
        {
            weight = weight / divisor * mixture.Scaling;
        }

        return true;
    }

    /// <summary>What the caller is told of a token for which <see cref="TryChoose"/> has no choice.</summary>
    /// <param name="token">The token, from 0.</param>
    public static ArgumentException Unroutable(int token) => new(string.Create(
        CultureInfo.InvariantCulture,
        $"Token {token} cannot be routed to experts: its logits are not finite, as its row or the router's weights are not."));

    /// <summary>Refuses a selection bias with which no expert could be chosen.</summary>
    /// <param name="tensor">The bias, for messages.</param>
    /// <param name="values">Its numbers.</param>
    /// <exception cref="NotSupportedException">One is NaN or infinite.</exception>
    public static void RequireFinite(FfnTensor tensor, ReadOnlySpan<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                throw new NotSupportedException(string.Create(
                    CultureInfo.InvariantCulture, $"{tensor.Name}[{i}] is {values[i]:R}, with which no expert can be chosen. It must be finite."));
            }
        }
    }

    /// <summary>σ(x) = 1 / (1 + e⁻ˣ).</summary>
    public static float Sigmoid(float x) => 1 / (1 + MathF.Exp(-x));

    private static void ChooseBest(
        MixtureSpec mixture, ReadOnlySpan<float> scores, ReadOnlySpan<float> selectionBias, Span<int> experts, Span<float> weights)
    {
        Span<float> choice = stackalloc float[scores.Length];
        scores.CopyTo(choice);
        for (int i = 0; i < selectionBias.Length; i++)
        {
            choice[i] += selectionBias[i];
        }

        if (mixture.TopGroups < mixture.Groups)
        {
            LeaveTopGroups(choice, mixture);
        }

        for (int i = 0; i < experts.Length; i++)
        {
            int best = IndexOfLargest(choice);
            choice[best] = float.NegativeInfinity;
            experts[i] = best;
            weights[i] = scores[best];
        }
    }

    // Each one's weight is its softmax over those left that are about as good.
    private static void ChooseSparsely(float jitter, ReadOnlySpan<float> logits, Span<int> experts, Span<float> weights)
    {
        Span<float> left = stackalloc float[logits.Length];
        logits.CopyTo(left);
        for (int i = 0; i < experts.Length; i++)
        {
            int best = IndexOfLargest(left);
            float largest = left[best];
            float sum = 0;
            foreach (float logit in left)
            {
                bool isTaken = float.IsNegativeInfinity(logit);
                sum += isTaken || largest - logit > 2 * jitter * Math.Max(Math.Abs(logit), largest) ? 0 : MathF.Exp(logit - largest);
            }

            left[best] = float.NegativeInfinity;
            experts[i] = best;
            weights[i] = 1 / sum;
        }
    }

    private static float Sum(ReadOnlySpan<float> values)
    {
        float sum = 0;
        foreach (float value in values)
        {
            sum += value;
        }

        return sum;
    }

    // Experts of all other groups can no longer be chosen, or are left with 0.
    private static void LeaveTopGroups(Span<float> choice, MixtureSpec mixture)
    {
        int size = choice.Length / mixture.Groups;
        Span<float> scores = stackalloc float[mixture.Groups];
        for (int group = 0; group < scores.Length; group++)
        {
            ReadOnlySpan<float> own = choice.Slice(group * size, size);
            scores[group] = mixture.GroupScoring == GroupScoring.Best ? own[IndexOfLargest(own)] : SumOfTwoLargest(own);
        }

        Span<bool> stays = stackalloc bool[scores.Length];
        stays.Clear();
        for (int i = 0; i < mixture.TopGroups; i++)
        {
            int best = IndexOfLargest(scores);
            scores[best] = float.NegativeInfinity;
            stays[best] = true;
        }

        for (int group = 0; group < stays.Length; group++)
        {
            if (!stays[group])
            {
                choice.Slice(group * size, size).Fill(mixture.MasksWithZero ? 0 : float.NegativeInfinity);
            }
        }
    }

    private static float SumOfTwoLargest(ReadOnlySpan<float> values)
    {
        (float largest, float second) = (float.NegativeInfinity, float.NegativeInfinity);
        foreach (float value in values)
        {
            if (value > largest)
            {
                (largest, second) = (value, largest);
            }
            else if (value > second)
            {
                second = value;
            }
        }

        return largest + second;
    }

    // The first of equal ones; there is always one above negative infinity left, which the mixture's own check sees to.
    private static int IndexOfLargest(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best])
            {
                best = i;
            }
        }

        return best;
    }
}
