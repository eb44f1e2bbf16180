using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Tests.Support;

/// <summary>What a precision makes of the rows of tokens before they are multiplied: integers of 16 or 8 bits, 32 neighbouring ones to a scale, or bfloat16.</summary>
internal static class StoredTokens
{
    private const int Group = 32;

    // Half a unit in the last of bfloat16's 8 places.
    private const double BFloat16Loss = 1.0 / 512;

    /// <summary>Whether layers multiply bfloat16 with such, as the processor can.</summary>
    public static bool AreBFloat16 { get; } = PanelKernel.Of(WeightEncodings.BFloat16, TokenType.BFloat16).Form.IsBFloat16;

    /// <summary>The largest integer; 0 where rows stay floats.</summary>
    public static int Largest(FfnPrecision precision) => precision switch
    {
        FfnPrecision.Int8 or FfnPrecision.Int4 => 32512,
        FfnPrecision.W8A8 or FfnPrecision.W4A8 => 127,
        _ => 0,
    };

    /// <summary>
    /// The most that rounding loses of a row, ‖rounded - x‖ / ‖x‖: errors are spread evenly over a step, whose mean square is a twelfth of its
    /// square, and the norm of 32 elements is at least the largest of them.
    /// </summary>
    public static double Loss(FfnPrecision precision) =>
        precision == FfnPrecision.BFloat16 ? (AreBFloat16 ? BFloat16Loss : 0) : Largest(precision) == 0 ? 0 : Math.Sqrt(Group / 12.0) / Largest(precision);

    /// <summary>Rows as a kernel multiplies them.</summary>
    public static float[] Of(PanelKernel kernel, FfnPrecision precision, float[] rows, int columns) =>
        kernel.Form.IsBFloat16 ? Array.ConvertAll(rows, static x => (float)NumberFormat.BFloat16.Round(x)) : Of(precision, rows, columns);

    /// <summary>Rows as integers.</summary>
    public static float[] Of(FfnPrecision precision, float[] rows, int columns)
    {
        float largest = Largest(precision);
        if (largest == 0)
        {
            return rows;
        }

        float[] stored = [.. rows];
        for (int row = 0; row < stored.Length; row += columns)
        {
            for (int column = 0; column < columns; column += Group)
            {
                Span<float> group = stored.AsSpan(row + column, Math.Min(Group, columns - column));
                float most = 0;
                foreach (float element in group)
                {
                    most = Math.Max(most, Math.Abs(element));
                }

                foreach (ref float element in group)
                {
                    // By the reciprocal, as the definition has it: which way a middle goes depends on it.
                    element = most == 0 ? 0 : MathF.Round(element * (largest / most), MidpointRounding.ToEven) * (most / largest);
                }
            }
        }

        return stored;
    }
}
