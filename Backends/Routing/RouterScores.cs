namespace NativeFfn.Backends.Routing;

/// <summary>Logits to scores; the formula is <see cref="MixtureSpec"/>'s.</summary>
internal static class RouterScores
{
    /// <summary>ln(1 + eᶻ), accurate in relative terms for every z.</summary>
    public static double Softplus(double z)
    {
        // ln(1 + p) by the quotient that takes back what rounding 1 + p lost (Kahan).
        double power = Math.Exp(-Math.Abs(z));
        double sum = 1 + power;
        return Math.Max(z, 0) + (sum == 1 ? power : Math.Log(sum) * (power / (sum - 1)));
    }

    /// <summary>logit = k · tanh(logit / k), where k is not 0.</summary>
    /// <returns>False where a logit is NaN or infinite.</returns>
    public static bool TryLimit(float softcap, Span<float> logits)
    {
        foreach (ref float logit in logits)
        {
            if (!float.IsFinite(logit))
            {
                return false;
            }

            logit = softcap == 0 ? logit : softcap * MathF.Tanh(logit / softcap);
        }

        return true;
    }

    /// <summary>Replaces finite logits by their scores.</summary>
    public static void Score(RouterScoring scoring, Span<float> logits)
    {
        switch (scoring)
        {
            case RouterScoring.Softmax:
                Softmax(logits);
                break;
            case RouterScoring.Sigmoid:
                foreach (ref float logit in logits)
                {
                    logit = Router.Sigmoid(logit);
                }

                break;
            default:
                foreach (ref float logit in logits)
                {
                    logit = (float)Math.Sqrt(Softplus(logit));
                }

                break;
        }
    }

    private static void Softmax(Span<float> logits)
    {
        float largest = float.NegativeInfinity;
        foreach (float logit in logits)
        {
            largest = Math.Max(largest, logit);
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
    }
}
