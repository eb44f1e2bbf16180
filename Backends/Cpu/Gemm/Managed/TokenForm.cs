namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>What the elements of tokens are while they are multiplied.</summary>
internal enum TokenType
{
    /// <summary>float32, as they came.</summary>
    Float32,

    /// <summary>16-bit integers, 32 neighbouring ones to a scale.</summary>
    Int16,

    /// <summary>8-bit integers, 32 neighbouring ones to a scale.</summary>
    Int8,
}

/// <summary>How the elements of tokens lie for a kernel: as floats, or as integers with a scale for each <see cref="PanelFormat.GroupColumns"/> columns.</summary>
/// <remarks>
/// Integers lie in lanes of 32 bits, several columns of one token in a lane. A group of a tile is its lanes, each for token after token,
/// then a scale a token, then scale · Σ integers a token, for weights that count from elsewhere than zero.
/// </remarks>
/// <param name="Lanes">Lanes of a group and token; 0 for floats.</param>
/// <param name="Largest">The largest integer.</param>
internal readonly record struct TokenForm(int Lanes, int Largest)
{
    // The scale and the sum.
    private const int NumbersOfGroup = 2;

    /// <summary>float32.</summary>
    public static TokenForm Float32 => default;

    /// <summary>Two words of 16 bits in a lane: columns 2i and 2i + 1 in lane i.</summary>
    public static TokenForm Words => new(PanelFormat.GroupColumns / 2, short.MaxValue);

    /// <summary>The same of integers of 8 bits, for kernels that have no faster way to multiply those.</summary>
    public static TokenForm NarrowWords => Words with { Largest = sbyte.MaxValue };

    /// <summary>Four bytes in a lane: of 8 columns 0, 4, 1 and 5 in the first, 2, 6, 3 and 7 in the second, as halves of bytes hold weights.</summary>
    public static TokenForm Bytes => new(PanelFormat.GroupColumns / 4, sbyte.MaxValue);

    /// <summary>Whether tokens stay floats.</summary>
    public bool IsFloat => Lanes == 0;

    /// <summary>Whether a lane holds four columns.</summary>
    public bool IsBytes => Lanes == PanelFormat.GroupColumns / 4;

    /// <summary>Elements of 32 bits that columns of a token take: any number of columns of floats, whole groups of integers.</summary>
    public long Elements(long columns) => IsFloat ? columns : columns / PanelFormat.GroupColumns * (Lanes + NumbersOfGroup);
}

/// <summary>The types of tokens by precision.</summary>
internal static class TokenTypes
{
    /// <summary>What an engine of a precision makes of tokens, where its weights are integers.</summary>
    public static TokenType Of(FfnPrecision precision) => TokenRounding.LargestOf(precision) switch
    {
        short.MaxValue => TokenType.Int16,
        sbyte.MaxValue => TokenType.Int8,
        _ => TokenType.Float32,
    };
}
