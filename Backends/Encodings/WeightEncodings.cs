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

    /// <summary>float64, which files may have and no engine keeps.</summary>
    public static WeightEncoding Float64 { get; } = new Float64Encoding();

    /// <summary>Every encoding that weights are kept in; <see cref="GroupedCodes"/> are made for a matrix.</summary>
    public static ImmutableArray<WeightEncoding> All { get; } =
    [
        Float32,
        BFloat16,
        Float16,
        Int8,
        new E4M3Encoding(),
    ];

    /// <summary>The encoding in which an engine of a precision keeps weights in the host's memory, or null.</summary>
    public static WeightEncoding? Of(FfnPrecision precision) => All.FirstOrDefault(encoding => encoding.Precision == precision);
}
