using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>float64, 8 bytes a weight; only ever read, rounded once to float32.</summary>
internal sealed class Float64Encoding() : WeightEncoding("f64", blockColumns: 1, blockBytes: sizeof(double))
{
    /// <inheritdoc/>
    public override double Error => 0;

    /// <inheritdoc/>
    public override bool HoldsNonFinite => true;

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        ReadOnlySpan<double> source = MemoryMarshal.Cast<byte, double>(row).Slice(firstColumn, weights.Length);
        for (int i = 0; i < source.Length; i++)
        {
            weights[i] = (float)source[i];
        }
    }
}
