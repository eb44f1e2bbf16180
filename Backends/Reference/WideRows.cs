using CommunityToolkit.HighPerformance;

namespace NativeFfn.Backends.Reference;

/// <summary>Rows between float32 and float64.</summary>
internal static class WideRows
{
    /// <summary>Rows of float32 one behind the other in float64, in which each is exact.</summary>
    public static double[] Of(ReadOnlySpan2D<float> rows)
    {
        double[] wide = new double[rows.Length];
        for (int row = 0; row < rows.Height; row++)
        {
            ReadOnlySpan<float> values = rows.GetRowSpan(row);
            for (int column = 0; column < values.Length; column++)
            {
                wide[(row * values.Length) + column] = values[column];
            }
        }

        return wide;
    }

    /// <summary>Rounds to nearest even.</summary>
    public static void Round(ReadOnlySpan<double> values, Span<float> destination)
    {
        for (int i = 0; i < values.Length; i++)
        {
            destination[i] = (float)values[i];
        }
    }
}
