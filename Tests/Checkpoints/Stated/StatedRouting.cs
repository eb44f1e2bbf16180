namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>A router of a form: which experts a row goes to, and with which weights.</summary>
internal sealed class StatedRouting
{
    private const double Jitter = 0.01;

    private readonly StatedRouter _router;
    private readonly bool _renormalizes;
    private readonly double _scaling;
    private readonly double[][] _weights;
    private readonly double[]? _bias;
    private readonly double[]? _choiceBias;

    /// <summary>Writes the router's tensors.</summary>
    public StatedRouting(StatedRouter router, bool flips, double scaling, string path, (int DModel, int Experts) size, StatedFile file)
    {
        _router = router;
        _renormalizes = router.Renormalizes != flips;
        _scaling = scaling;
        _weights = [.. file.Make(path + router.Name + ".weight", size.Experts, size.DModel).Chunk(size.DModel)];
        _bias = router.HasBias ? file.Make(path + router.Name + ".bias", size.Experts) : null;
        _choiceBias = router.ChoiceBias is { } name
            ? router.ChoiceBiasIsRow ? file.Make(path + name, 1, size.Experts) : file.Make(path + name, size.Experts)
            : null;
    }

    /// <summary>The chosen experts and their weights.</summary>
    public IEnumerable<(int Expert, double Weight)> Route(double[] x)
    {
        double[] logits = [.. _weights.Select((row, e) => row.Select((w, i) => w * x[i]).Sum() + (_bias?[e] ?? 0))];
        logits = _router.Softcap > 0 ? [.. logits.Select(z => _router.Softcap * Math.Tanh(z / _router.Softcap))] : logits;
        if (_router.Score == "sparsemixer")
        {
            return Sparsely(logits);
        }

        double[] scores = _router.Score == "sigmoid"
            ? [.. logits.Select(StatedActivations.Sigmoid)]
            : [.. logits.Select(z => Math.Exp(z) / logits.Sum(Math.Exp))];
        double[] choice = [.. scores.Select((score, e) => score + (_choiceBias?[e] ?? 0))];
        if (_router.Groups is { } rule)
        {
            // Two groups of two: one by the sum of both, or by the better.
            double First(int start) => rule.StartsWith("best", StringComparison.Ordinal)
                ? Math.Max(choice[start], choice[start + 1])
                : choice[start] + choice[start + 1];
            int out0 = First(0) >= First(2) ? 2 : 0;
            choice[out0] = choice[out0 + 1] = rule.EndsWith("zero", StringComparison.Ordinal) ? 0 : double.NegativeInfinity;
        }

        int[] chosen = [.. Enumerable.Range(0, choice.Length).OrderByDescending(e => choice[e]).ThenBy(static e => e).Take(_router.TopK)];
        double sum = _renormalizes ? chosen.Sum(e => scores[e]) + _router.SumOffset : 1;
        return chosen.Select(e => (e, scores[e] / sum * _scaling));
    }

    // PhiMoE: the largest logit, weighed by a softmax over those that are near it; then the same without it.
    private List<(int Expert, double Weight)> Sparsely(double[] logits)
    {
        var chosen = new List<(int Expert, double Weight)>();
        List<int> left = [.. Enumerable.Range(0, logits.Length)];
        while (chosen.Count < _router.TopK)
        {
            int best = left.MaxBy(e => logits[e]);
            double top = logits[best];
            double near = left.Where(e => (top - logits[e]) / Math.Max(Math.Abs(logits[e]), top) <= 2 * Jitter).Sum(e => Math.Exp(logits[e] - top));
            chosen.Add((best, 1 / near));
            left.Remove(best);
        }

        return chosen;
    }
}
