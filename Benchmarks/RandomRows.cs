namespace NativeFfn.Benchmarks;

/// <summary>Random elements: products of zeros can run faster than those of data.</summary>
internal static class RandomRows
{
    private const int Seed = 1;

    public static float[] Create(int elements)
    {
        var random = new Random(Seed);
        var values = new float[elements];
        foreach (ref float value in values.AsSpan())
        {
            value = (2f * random.NextSingle()) - 1f;
        }

        return values;
    }
}
