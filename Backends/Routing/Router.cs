using System.Globalization;

namespace NativeFfn.Backends.Routing;

/// <summary>Chooses a token's experts from its logits; the formula is <see cref="MixtureSpec"/>'s.</summary>
internal static class Router
{
    /// <summary>What DeepSeek-V3 adds to the sum of the chosen scores: sigmoids may all have underflowed.</summary>
    public const float SmallestSum = 1e-20f;

    /// <summary>Chooses experts, best first.</summary>
    /// <param name="mixture">How tokens are routed.</param>
    /// <param name="logits">One logit an expert; overwritten.</param>
    /// <param name="selectionBias">One number an expert, or none.</param>
    /// <param name="experts">Receives the TopK chosen experts.</param>
    /// <param name="weights">Receives their weights.</param>
    /// <returns>False where a logit is NaN or infinite, so that there is no choice.</returns>
    public static bool TryChoose(
        MixtureSpec mixture, Span<float> logits, ReadOnlySpan<float> selectionBias, Span<int> experts, Span<float> weights)
    {
        if (!TryScore(mixture.Scoring, logits))
        {
            return false;
        }

        Span<float> choice = stackalloc float[logits.Length];
        logits.CopyTo(choice);
        for (int i = 0; i < selectionBias.Length; i++)
        {
            choice[i] += selectionBias[i];
        }

        if (mixture.TopGroups < mixture.Groups)
        {
            LeaveTopGroups(choice, mixture.Groups, mixture.TopGroups);
        }

        float sum = 0;
        for (int i = 0; i < experts.Length; i++)
        {
            int best = IndexOfLargest(choice);
            choice[best] = float.NegativeInfinity;
            experts[i] = best;
            weights[i] = logits[best];
            sum += logits[best];
        }

        float divisor = !mixture.Renormalize ? 1 : mixture.Scoring == RouterScoring.Sigmoid ? sum + SmallestSum : sum;
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

    // Experts of all other groups can no longer be chosen.
    private static void LeaveTopGroups(Span<float> choice, int groups, int topGroups)
    {
        int size = choice.Length / groups;
        Span<float> scores = stackalloc float[groups];
        for (int group = 0; group < groups; group++)
        {
            scores[group] = SumOfTwoLargest(choice.Slice(group * size, size));
        }

        Span<bool> stays = stackalloc bool[groups];
        stays.Clear();
        for (int i = 0; i < topGroups; i++)
        {
            int best = IndexOfLargest(scores);
            scores[best] = float.NegativeInfinity;
            stays[best] = true;
        }

        for (int group = 0; group < groups; group++)
        {
            if (!stays[group])
            {
                choice.Slice(group * size, size).Fill(float.NegativeInfinity);
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

    private static bool TryScore(RouterScoring scoring, Span<float> logits)
    {
        float largest = float.NegativeInfinity;
        foreach (float logit in logits)
        {
            if (!float.IsFinite(logit))
            {
                return false;
            }

            largest = Math.Max(largest, logit);
        }

        if (scoring == RouterScoring.Sigmoid)
        {
            foreach (ref float logit in logits)
            {
                logit = Sigmoid(logit);
            }

            return true;
        }

        float sum = 0;
        foreach (ref float logit in logits)
        {
            logit = MathF.Exp(logit - largest);
            sum += logit;
        }

        foreach (ref float logit in logits)
        {
            logit /= sum;
        }

        return true;
    }
}
