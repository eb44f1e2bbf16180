namespace NativeFfn.Comparison.Subjects;

/// <summary>Input rows, the same ones in every run.</summary>
internal static class RandomRows
{
    private const int Seed = 1;

    /// <summary>Uniform in [−1, 1), row-major <c>[tokens, width]</c>.</summary>
    /// <exception cref="OverflowException">There are too many for one piece of memory.</exception>
    public static AlignedFloats Create(int tokens, int width)
    {
        var rows = new AlignedFloats(checked(tokens * width));
        var random = new Random(Seed);
        foreach (ref float value in rows.Span)
        {
            value = (2f * random.NextSingle()) - 1f;
        }

        return rows;
    }
}
