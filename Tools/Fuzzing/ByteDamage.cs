namespace NativeFfn.Fuzzing;

/// <summary>Damage that any bytes may take, whatever they mean.</summary>
internal static class ByteDamage
{
    /// <summary>How many kinds there are.</summary>
    public const int Kinds = 4;

    // A field of a header or a number as text is not longer.
    private const int MostBytes = 16;

    /// <summary>Flips a bit, writes a byte, takes bytes away, or puts some of them elsewhere once more.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="kind">0 to <see cref="Kinds"/> - 1, in that order.</param>
    /// <param name="random">Says where.</param>
    public static void Apply(List<byte> bytes, int kind, Random random)
    {
        int at = random.Next(bytes.Count + 1);
        int count = Math.Min(random.Next(1, MostBytes), bytes.Count - at);
        switch (kind)
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, count);
                break;
            case 3:
                bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(at, count));
                break;
        }
    }
}
