using System.Collections.Immutable;

namespace NativeFfn.Backends.Encodings;

/// <summary>The table of weight encodings.</summary>
internal static class WeightEncodings
{
    /// <summary>float32.</summary>
    public static WeightEncoding Float32 { get; } = new Float32Encoding();

    /// <summary>bfloat16.</summary>
    public static WeightEncoding BFloat16 { get; } = new BFloat16Encoding();

    /// <summary>IEEE half precision.</summary>
    public static WeightEncoding Float16 { get; } = new Float16Encoding();

    /// <summary>8-bit integers, 32 to a scale.</summary>
    public static WeightEncoding Int8 { get; } = new Int8Encoding();

    /// <summary>4-bit integers, 32 to a scale.</summary>
    public static WeightEncoding Int4 { get; } = new Int4Encoding();

    /// <summary>Every encoding.</summary>
    public static ImmutableArray<WeightEncoding> All { get; } =
    [
        Float32,
        BFloat16,
        Float16,
        Int8,
        Int4,
        new E4M3Encoding(),
    ];

    /// <summary>The encoding in which an engine keeps a matrix in the host's memory.</summary>
    /// <param name="precision">The engine's precision.</param>
    /// <param name="source">The matrix's source.</param>
    /// <param name="tensor">The matrix.</param>
    public static WeightEncoding Choose(FfnPrecision precision, IFfnWeightSource source, FfnTensor tensor)
    {
        if (Of(precision) is { } chosen)
        {
            return chosen;
        }

        // Wider than float32 nothing is kept, and floats without a source of their own are float32.
        WeightEncoding stored = (source as IEncodedWeightSource)?.EncodingOf(tensor) ?? Float32;
        bool keeps = precision == FfnPrecision.Stored ? stored.BlockBytes <= sizeof(float) * stored.BlockColumns : stored.IsQuantized;
        return keeps ? stored : Float32;
    }

    /// <summary>The encoding in which an engine of a precision keeps weights in the host's memory, or null.</summary>
    public static WeightEncoding? Of(FfnPrecision precision) => All.FirstOrDefault(encoding => encoding.Precision == precision);
}
