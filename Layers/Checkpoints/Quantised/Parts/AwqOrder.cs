namespace NativeFfn.Checkpoints.Quantised;

/// <summary>The order of AWQ's eight 4-bit numbers in a word.</summary>
internal static class AwqOrder
{
    /// <summary>Numbers of a word.</summary>
    public const int Word = 8;

    /// <summary>The nibble, from the lowest, that has number i of a word.</summary>
    public static ReadOnlySpan<byte> Nibble => [0, 4, 1, 5, 2, 6, 3, 7];
}
