using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>8-bit floats (E4M3) with a float32 scale for each row, which comes before its weights: w ≈ scale · q, scale = max|w| / 448.</summary>
internal sealed class ScaledFloat8() : WeightEncoding("fp8", blockColumns: 1, blockBytes: 1)
{
    /// <summary>The one instance.</summary>
    public static WeightEncoding Encoding { get; } = new ScaledFloat8();

    /// <inheritdoc/>
    public override int HeaderBytes => sizeof(float);

    /// <inheritdoc/>
    public override FfnPrecision? Precision => FfnPrecision.Float8;

    /// <inheritdoc/>
    public override double Error => 2.7e-2;

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        float scale = BitConverter.ToSingle(row);
        ReadOnlySpan<byte> stored = row.Slice(HeaderBytes + firstColumn, weights.Length);
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = FloatRounding.FromE4M3(stored[i]) * scale;
        }
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> weights, Span<byte> row)
    {
        float scale = ScaleOf(weights);
        BitConverter.TryWriteBytes(row, scale);
        Span<byte> stored = row[HeaderBytes..];
        for (int i = 0; i < weights.Length; i++)
        {
            stored[i] = FloatRounding.ToE4M3(weights[i] / scale);
        }
    }

    private static float ScaleOf(ReadOnlySpan<float> row)
    {
        float largest = 0;
        foreach (float weight in row)
        {
            // NaN and infinity must come out, to be refused.
            largest = Math.Max(largest, Math.Abs(weight));
        }

        // Under the smallest normal number a scale would have lost its digits: such rows are as good as zero.
        float scale = largest / FloatRounding.LargestE4M3;
        return largest == 0 || float.IsSubnormal(scale) ? 1 : scale;
    }
}
