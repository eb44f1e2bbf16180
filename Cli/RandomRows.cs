using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Cli;

/// <summary>Input rows for trying a layer: the same seed gives the same numbers.</summary>
internal static class RandomRows
{
    /// <summary>Uniform in [−1, 1), row-major.</summary>
    public static float[] Create(int tokens, int width, int seed)
    {
        var values = new float[checked(tokens * width)];
        Fill(values, seed);
        return values;
    }

    /// <summary>The same numbers in native memory that starts on a cache line.</summary>
    public static AlignedFloats CreateAligned(int tokens, int width, int seed)
    {
        var values = new AlignedFloats(checked(tokens * width));
        Fill(values.Span, seed);
        return values;
    }

    /// <summary>Refuses a number of rows that no array holds.</summary>
    public static void RequireRoom(string option, int tokens, FfnSpec spec)
    {
        int widest = Math.Max(spec.InputWidth, spec.OutputWidth);
        if ((long)tokens * widest > Array.MaxLength)
        {
            throw new UsageException($"{option} {tokens} does not fit: rows of {widest} elements allow at most {Array.MaxLength / widest} tokens.");
        }
    }

    private static void Fill(Span<float> values, int seed)
    {
        var random = new Random(seed);
        foreach (ref float value in values)
        {
            value = (2f * random.NextSingle()) - 1f;
        }
    }
}
