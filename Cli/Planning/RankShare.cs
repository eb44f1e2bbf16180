using System.Collections.Immutable;
using NativeFfn.Backends;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Parallel;

namespace NativeFfn.Cli.Planning;

/// <summary>What a rank has of a layer, and what m tokens make it read and do.</summary>
/// <remarks>
/// Of a mixture's experts tokens choose k of E each, any as likely as another. A rank with n of them then reads n · (1 - (1 - k/E)^m) and
/// multiplies m · k · n/E rows. Those are means; the busiest of G groups of experts has as many standard deviations more as the largest of
/// G normal numbers, and the others wait for it.
/// </remarks>
internal sealed class RankShare
{
    private readonly double _experts;
    private readonly double _topK;
    private readonly double _own;
    private readonly double _deviations;

    // Of one expert, and of what every token goes through.
    private readonly Amount _expert;
    private readonly Amount _always;

    private RankShare(IReadOnlyList<LayerPart> parts, FfnPrecision precision, double deviations)
    {
        MixtureSpec? mixture = parts[0].Spec.Mixture;
        (_experts, _topK, _own) = (mixture?.Experts ?? 1, mixture?.TopK ?? 1, mixture?.OwnExperts ?? 0);
        _deviations = deviations;
        SummedWidths = [.. parts.Where(static part => part.IsSum).Select(static part => part.Spec.OutputWidth)];
        foreach (LayerPart part in parts)
        {
            foreach (FfnTensor tensor in part.Spec.Tensors)
            {
                long elements = (long)tensor.Rows * tensor.Columns;
                long bytes = tensor.IsVector ? sizeof(float) * elements
                    : tensor.Rows * WeightEncodings.Choose(precision, part.Weights, tensor).RowBytes(tensor.Columns);
                var amount = new Amount(bytes, tensor.IsVector ? 0 : 2 * elements);
                WeightBytes += bytes;
                if (tensor.Expert >= 0)
                {
                    _expert += amount / _own;
                }
                else
                {
                    _always += amount;
                }
            }
        }
    }

    /// <summary>Bytes of its weights.</summary>
    public long WeightBytes { get; }

    /// <summary>Elements of a token that ranks add up, each time that they do.</summary>
    public ImmutableArray<int> SummedWidths { get; }

    /// <summary>The shares of the first ranks.</summary>
    /// <param name="cut">The layer and its ranks.</param>
    /// <param name="plan">How the layer is cut.</param>
    /// <param name="ranks">So many ranks.</param>
    /// <exception cref="NotSupportedException">It cannot be cut so; the message says why.</exception>
    public static RankShare[] OfFirst(LayerCut cut, ParallelPlan plan, int ranks)
    {
        double deviations = LargestOfNormal(plan.Expert);
        return [.. Enumerable.Range(0, ranks).Select(rank => new RankShare((cut with { Rank = rank }).Parts(plan), cut.Precision, deviations))];
    }

    /// <summary>What a forward reads and does, on the rank that has most of it.</summary>
    public Amount Of(int tokens)
    {
        if (_own == 0)
        {
            return _always with { Flops = tokens * _always.Flops };
        }

        double chosen = 1 - Math.Pow(1 - (_topK / _experts), tokens);
        double read = Busiest(_own * chosen, 1 - chosen, _own);
        double rows = Busiest(tokens * _topK * _own / _experts, 1 - (_own / _experts), tokens * Math.Min(_topK, _own));
        return new Amount((read * _expert.Bytes) + _always.Bytes, (rows * _expert.Flops) + (tokens * _always.Flops));
    }

    // E[max] = ∫ x d(Φ(x)^G), from where Φ is 0 to where it is 1 in float64.
    private static double LargestOfNormal(int numbers)
    {
        const double end = 9;
        const double step = 1.0 / 1024;
        double below = 0;
        double mean = 0;
        for (double x = -end; numbers > 1 && x < end; x += step)
        {
            double density = Math.Exp(-(x + (step / 2)) * (x + (step / 2)) / 2) / Math.Sqrt(2 * Math.PI);
            double next = Math.Min(below + (density * step), 1);
            mean += (x + (step / 2)) * (Math.Pow(next, numbers) - Math.Pow(below, numbers));
            below = next;
        }

        return mean;
    }

    // A binomial's mean and what the busiest has beyond it.
    private double Busiest(double mean, double other, double most) => Math.Min(mean + (_deviations * Math.Sqrt(mean * other)), most);

    /// <summary>Bytes read and operations done.</summary>
    /// <param name="Bytes">Bytes of weights.</param>
    /// <param name="Flops">Operations, a multiply-add counted as two.</param>
    internal readonly record struct Amount(double Bytes, double Flops)
    {
        public static Amount operator +(Amount left, Amount right) => new(left.Bytes + right.Bytes, left.Flops + right.Flops);

        public static Amount operator /(Amount amount, double parts) => new(amount.Bytes / parts, amount.Flops / parts);
    }
}
