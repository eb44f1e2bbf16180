using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>A norm in float64, with its weights in a kernel's memory.</summary>
internal sealed class NormOracle : IDisposable
{
    private const float Epsilon = 1e-3f;

    private readonly KernelNorm _kind;
    private readonly KernelRows? _weight;
    private readonly KernelRows? _bias;

    /// <param name="kind">Which norm.</param>
    /// <param name="width">Columns of the row.</param>
    /// <param name="withBias">Whether a layer norm has a bias.</param>
    /// <param name="random">What its weights are drawn from.</param>
    public NormOracle(KernelNorm kind, int width, bool withBias, Random random)
    {
        _kind = kind;
        if (kind != KernelNorm.None)
        {
            _weight = KernelRows.Own(NumberFormat.Float32, 1, (width + 15) / 16 * 16).Set((_, _) => random.NextDouble() + 0.5);
        }

        if (kind == KernelNorm.Layer && withBias)
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
    };

    public double[] Of(double[] row)
    {
        double mean = _kind == KernelNorm.Layer ? row.Average() : 0;
        double root = Math.Sqrt(row.Sum(value => (value - mean) * (value - mean)) / row.Length + Epsilon);
        return _kind switch
        {
            KernelNorm.None => row,
            KernelNorm.Rms => [.. row.Select((value, i) => value / root * _weight![0, i])],
            KernelNorm.RmsPlusOne => [.. row.Select((value, i) => value / root * (1 + _weight![0, i]))],
            _ => [.. row.Select((value, i) => ((value - mean) / root * _weight![0, i]) + (_bias is null ? 0 : _bias[0, i]))],
        };
    }

    public void Dispose()
    {
        _weight?.Dispose();
        _bias?.Dispose();
    }
}
