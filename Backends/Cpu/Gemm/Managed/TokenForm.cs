using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>What the elements of tokens are while they are multiplied.</summary>
internal enum TokenType
{
    /// <summary>float32, as they came.</summary>
    Float32,

    /// <summary>bfloat16, rounded to nearest even, where the processor multiplies such; else float32.</summary>
    BFloat16,

    /// <summary>16-bit integers, 32 neighbouring ones to a scale.</summary>
    Int16,

    /// <summary>8-bit integers, 32 neighbouring ones to a scale.</summary>
    Int8,
}

/// <summary>How the elements of tokens lie for a kernel: as floats, in pairs of bfloat16, or as integers with a scale for each <see cref="PanelFormat.GroupColumns"/> columns.</summary>
/// <remarks>
/// But for float32, elements lie in lanes of 32 bits, several columns of one token in a lane. A group of a tile is its lanes, each for token after
/// token, or, in tiles of some tokens on, its tokens, each lane after lane: integers then are bytes in the order of <see cref="BytesForBytes"/>, and those
/// of 16 bits first the signed upper bytes, then the unsigned lower ones. In the smallest tiles those of 16 bits may be split as well, into lanes of signed upper
/// bytes and then of signed lower ones in the order of <see cref="BytesForHalves"/>. Behind integers come a scale a token, then scale · Σ integers a token, for weights
/// with an offset, and for weights that count from elsewhere than zero the integer -zero · Σ integers a token, for each part of the group with
/// scales of its own.
/// </remarks>
/// <param name="Lanes">Lanes of a group and token; 0 for float32.</param>
/// <param name="Largest">The largest integer; 0 for floats.</param>
/// <param name="Zero">What weights count from as they are multiplied: weight = scale · (integer - zero).</param>
/// <param name="Parts">Parts of a group, 1 or 2, whose sums are told apart where weights count from elsewhere than zero.</param>
/// <param name="FewestByToken">Tokens from which on a tile has the lanes of a token side by side in a group; 0 for none.</param>
/// <param name="MostSplit">Tokens up to which a tile has integers of 16 bits split; 0 for none.</param>
internal readonly record struct TokenForm(int Lanes, int Largest, int Zero = 0, int Parts = 1, int FewestByToken = 0, int MostSplit = 0)
{
    // What unsigned halves of bytes, and bytes, have for zero.
    private const int ZeroOfHalves = 8;
    private const int ZeroOfBytes = 128;

    /// <summary>float32.</summary>
    public static TokenForm Float32 => default;

    /// <summary>Two bfloat16 in a lane: columns 2i and 2i + 1 in lane i.</summary>
    public static TokenForm BFloat16 => new(PanelFormat.GroupColumns / 2, Largest: 0);

    /// <summary>The same for registers that hold a token in a row.</summary>
    public static TokenForm BFloat16ByToken => BFloat16 with { FewestByToken = 1 };

    /// <summary>Two words of 16 bits in a lane: columns 2i and 2i + 1 in lane i.</summary>
    public static TokenForm Words => new(PanelFormat.GroupColumns / 2, TokenRounding.LargestWord);

    /// <summary>The same, but bytes in tiles of up to so many tokens, with what weights of both 4 and 8 bits and any parts need.</summary>
    public static TokenForm SplitWords(int most) => Words with { Zero = ZeroOfBytes, Parts = 2, MostSplit = most };

    /// <summary>The same of integers of 8 bits, for kernels that have no faster way to multiply those.</summary>
    public static TokenForm NarrowWords => Words with { Largest = sbyte.MaxValue };

    /// <summary>
    /// Four bytes in a lane for weights of 4 bits: of 8 columns 0, 4, 1 and 5 in the first, 2, 6, 3 and 7 in the second, as halves of bytes hold weights.
    /// </summary>
    public static TokenForm BytesForHalves => new(PanelFormat.GroupColumns / 4, sbyte.MaxValue, ZeroOfHalves);

    /// <summary>Four bytes in a lane for weights of 8 bits: of 4 columns 0, 2, 1 and 3, as weights lie.</summary>
    public static TokenForm BytesForBytes => BytesForHalves with { Zero = ZeroOfBytes };

    /// <summary>Whether tokens stay float32.</summary>
    public bool IsFloat => Lanes == 0;

    /// <summary>Whether tokens are bfloat16.</summary>
    public bool IsBFloat16 => Lanes > 0 && Largest == 0;

    /// <summary>Whether a lane holds four columns.</summary>
    public bool IsBytes => Lanes == PanelFormat.GroupColumns / 4;

    /// <summary>Whether four columns of a lane are those that halves of bytes hold.</summary>
    public bool IsForHalves => IsBytes && Zero == ZeroOfHalves;

    /// <summary>Elements of 32 bits that a group of a token takes.</summary>
    public int GroupElements => IsFloat ? PanelFormat.GroupColumns : Lanes + Numbers;

    /// <summary>Numbers behind a group's integers.</summary>
    public int Numbers => Largest == 0 ? 0 : NumbersOf(Zero, Parts);

    /// <summary>Whether a tile of so many tokens has the lanes of a token side by side.</summary>
    public bool IsByToken(int size) => FewestByToken > 0 && size >= FewestByToken;

    /// <summary>Whether a tile of so many tokens has upper and lower bytes apart.</summary>
    public bool IsSplit(int size) => size <= MostSplit && !IsByToken(size);

    /// <summary>Numbers behind a group's integers.</summary>
    /// <param name="zero">What weights count from.</param>
    /// <param name="parts">Parts of the group.</param>
    public static int NumbersOf(int zero, int parts) => zero == 0 ? 2 : 2 + parts;

    /// <summary>Elements of 32 bits that columns of a token take: any number of columns of float32, whole groups of all else.</summary>
    public long Elements(long columns) => IsFloat ? columns : columns / PanelFormat.GroupColumns * GroupElements;
}

/// <summary>The types of tokens by precision.</summary>
internal static class TokenTypes
{
    /// <summary>What an engine of a precision makes of tokens, where its weights are such.</summary>
    public static TokenType Of(FfnPrecision precision) => TokenRounding.LargestOf(precision) switch
    {
        _ when precision == FfnPrecision.BFloat16 => TokenType.BFloat16,
        TokenRounding.LargestWord => TokenType.Int16,
        sbyte.MaxValue => TokenType.Int8,
        _ => TokenType.Float32,
    };

    /// <summary>Whether weights of an encoding are multiplied with tokens of a type.</summary>
    public static bool Takes(this WeightEncoding encoding, TokenType tokens) => tokens switch
    {
        TokenType.Float32 => true,
        TokenType.BFloat16 => encoding == WeightEncodings.BFloat16,
        _ => encoding.IntegerBits > 0,
    };
}
