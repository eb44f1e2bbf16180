namespace NativeFfn;

/// <summary>
/// How precisions round rows before they are multiplied: to integers, 32 neighbouring elements to a scale, x ≈ scale · q, scale = max|x| / largest;
/// or, where the processor multiplies such, to bfloat16.
/// </summary>
internal static class TokenRounding
{
    /// <summary>
    /// The largest integer of 16 bits: up to there upper and lower bytes may both have a sign of their own, and rows whose largest element is a power of two
    /// keep it, as a multiple of 127 by such.
    /// </summary>
    public const int LargestWord = 256 * sbyte.MaxValue;

    // Elements to a scale.
    private const int Group = 32;

    // Half a unit in the last of 8 places.
    private const double BFloat16Loss = 1.0 / (1 << 9);

    /// <summary>The largest integer; 0 where rows are multiplied as floats. On a CPU; a GPU's rows are told by the precision's own text.</summary>
    public static int LargestOf(FfnPrecision precision) => precision switch
    {
        FfnPrecision.Int8 or FfnPrecision.Int4 => LargestWord,
        FfnPrecision.W8A8 or FfnPrecision.W4A8 => sbyte.MaxValue,
        _ => 0,
    };

    /// <summary>
    /// The root mean square of what is lost of a row at most, ‖rounded - x‖ / ‖x‖: of 32 elements, of which one alone is large, each is off by
    /// scale / √12. Of bfloat16, each by half a unit in the last place, and nothing where the processor does not multiply such.
    /// </summary>
    public static double LossOf(FfnPrecision precision) =>
        precision == FfnPrecision.BFloat16 ? BFloat16Loss : LargestOf(precision) is > 0 and var largest ? Math.Sqrt(Group / 12.0) / largest : 0;
}
