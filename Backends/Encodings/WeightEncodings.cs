using System.Collections.Immutable;
using NativeFfn.Backends.Encodings.Ggml;

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

    /// <summary>float64, which files may have and no engine keeps.</summary>
    public static WeightEncoding Float64 { get; } = new Float64Encoding();

    /// <summary>Every encoding but <see cref="GroupedCodes"/>, which are made for a matrix.</summary>
    public static ImmutableArray<WeightEncoding> All { get; } =
    [
        Float32,
        BFloat16,
        Float16,
        Int8,
        Int4,
        new E4M3Encoding(),
        Float64,
        new GgmlEncoding<Q4_0>(),
        new GgmlEncoding<Q4_1>(),
        new GgmlEncoding<Q5_0>(),
        new GgmlEncoding<Q5_1>(),
        new GgmlEncoding<Q8_0>(),
        new GgmlEncoding<Q2_K>(),
        new GgmlEncoding<Q3_K>(),
        new GgmlEncoding<Q4_K>(),
        new GgmlEncoding<Q5_K>(),
        new GgmlEncoding<Q6_K>(),
        new GgmlEncoding<IQ4_NL>(),
        new GgmlEncoding<IQ4_XS>(),
        new GgmlEncoding<MXFP4>(),
        new GgmlEncoding<NVFP4>(),
        new GgmlEncoding<Q1_0>(),
        new GgmlEncoding<Q2_0>(),
        new GgmlEncoding<TQ1_0>(),
        new GgmlEncoding<TQ2_0>(),
        new GgmlEncoding<IQ1_S>(),
        new GgmlEncoding<IQ1_M>(),
        new GgmlEncoding<IQ2_XXS>(),
        new GgmlEncoding<IQ2_XS>(),
        new GgmlEncoding<IQ2_S>(),
        new GgmlEncoding<IQ3_XXS>(),
        new GgmlEncoding<IQ3_S>(),
    ];

    /// <summary>The encoding in which an engine keeps a matrix in the host's memory.</summary>
    /// <param name="precision">The engine's precision.</param>
    /// <param name="source">The matrix's source.</param>
    /// <param name="tensor">The matrix.</param>
    public static WeightEncoding Choose(FfnPrecision precision, IFfnWeightSource source, FfnTensor tensor)
    {
        // Wider than float32 nothing is kept, and floats without a source of their own are float32.
        WeightEncoding stored = (source as IEncodedWeightSource)?.EncodingOf(tensor) ?? Float32;
        if (Of(precision) is { } chosen)
        {
            // Integers that are stored already, of no more bits than are wanted, are kept as they are.
            return stored.IntegerBits > 0 && stored.IntegerBits <= chosen.IntegerBits ? stored : chosen;
        }

        bool keeps = precision == FfnPrecision.Stored ? stored.BlockBytes <= sizeof(float) * stored.BlockColumns : stored.IsQuantized;
        return keeps ? stored : Float32;
    }

    /// <summary>The encoding in which an engine of a precision keeps weights in the host's memory, or null.</summary>
    public static WeightEncoding? Of(FfnPrecision precision)
    {
        FfnPrecision weights = precision switch
        {
            FfnPrecision.W8A8 => FfnPrecision.Int8,
            FfnPrecision.W4A8 => FfnPrecision.Int4,
            _ => precision,
        };
        return All.FirstOrDefault(encoding => encoding.Precision == weights);
    }
}
