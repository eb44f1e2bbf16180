using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>A norm in float64, with its weights in a kernel's memory.</summary>
internal sealed class NormOracle : IDisposable
{
    private const float Epsilon = 1e-3f;

    private readonly KernelNorm _kind;
    private readonly float _offset;
    private readonly KernelRows? _weight;
    private readonly KernelRows? _bias;

    /// <param name="norm">Which norm.</param>
    /// <param name="width">Columns of the row.</param>
    /// <param name="random">What its weights are drawn from.</param>
    public NormOracle(KernelNormCase norm, int width, Random random)
    {
        _kind = norm.Kind();
        _offset = norm.WeightOffset();
        if (_kind != KernelNorm.None && norm.HasWeight())
        {
            _weight = KernelRows.Own(NumberFormat.Float32, 1, (width + 15) / 16 * 16).Set((_, _) => random.NextDouble() + 0.5);
        }

        if (norm.HasBias())
        {
            _bias = KernelRows.Own(NumberFormat.Float32, 1, (width + 15) / 16 * 16).Set((_, _) => random.NextDouble() - 0.5);
        }
    }

    public NormArguments Arguments => new()
    {
        Weight = _weight?.Pointer ?? 0,
        Bias = _bias?.Pointer ?? 0,
        Epsilon = Epsilon,
        Kind = (int)_kind,
        WeightOffset = _offset,
    };

    public double[] Of(double[] row)
    {
        double mean = _kind == KernelNorm.Layer ? row.Average() : 0;
        double root = Math.Sqrt(row.Sum(value => (value - mean) * (value - mean)) / row.Length + Epsilon);
        return _kind == KernelNorm.None
            ? row
            : [.. row.Select((value, i) => ((value - mean) / root * ((_weight?[0, i] ?? 1) + _offset)) + (_bias?[0, i] ?? 0))];
    }

    public void Dispose()
    {
        _weight?.Dispose();
        _bias?.Dispose();
    }
}
