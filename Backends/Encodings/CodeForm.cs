namespace NativeFfn.Backends.Encodings;

/// <summary>How weights are codes, neighbouring ones of a row with one scale: w = scale · (value of the code - zero) + minimum.</summary>
/// <param name="Bits">Bits of a code, 1 to 8.</param>
/// <param name="GroupColumns">Neighbouring columns that share a scale: 16, or a multiple of 32.</param>
internal sealed record CodeForm(int Bits, int GroupColumns)
{
    /// <summary>Columns of a group that is a whole row, however long.</summary>
    public const int WholeRow = 1 << 30;

    /// <summary>Columns that are read at a time.</summary>
    public const int MostColumns = 32;

    /// <summary>Neighbouring columns that share a factor; a multiple of <see cref="GroupColumns"/>.</summary>
    public int FactorColumns { get; init; } = GroupColumns;

    /// <summary>The number format that holds factors and minima exactly.</summary>
    public ScaleType Scale { get; init; } = ScaleType.Float32;

    /// <summary>What a group's scale is a multiple of its factor by.</summary>
    public StepType Steps { get; init; }

    /// <summary>Whether groups have minima.</summary>
    public bool HasMinima { get; init; }

    /// <summary>Whether factors have zero points of their own.</summary>
    public bool HasZeros { get; init; }

    /// <summary>The zero point where they have none.</summary>
    public int Zero { get; init; }

    /// <summary>The numbers that codes stand for: integers, 8-bit floats or a table of 16.</summary>
    public CodeBook Book { get; init; } = CodeBook.Integers;

    /// <summary>Columns that are read together, of one scale.</summary>
    public int UnitColumns => GroupColumns % MostColumns == 0 ? MostColumns : GroupColumns;

    /// <summary>The number that integers count from where they are to have as many on both sides; those of a table have signs.</summary>
    public int Middle => Book == CodeBook.Integers ? 1 << (Bits - 1) : 0;

    /// <summary>
    /// Bits of the integers that codes stand for, 4 or 8, where 32 or more share a scale, or 16 that count from their middle; else 0.
    /// </summary>
    public int IntegerBits =>
        UnitColumns < MostColumns && HasOffsets ? 0
        : Book == CodeBook.Integers ? (Bits <= 4 ? 4 : 8)
        : Book.Multiples is not null ? 8 : 0;

    /// <summary>Whether integers count from elsewhere than the middle.</summary>
    public bool HasOffsets => HasMinima || HasZeros || Zero != Middle;

    /// <summary>Units that share a factor wherever a multiple of so many begins: a power of two, at most as many as are given.</summary>
    /// <param name="most">The most, a power of two.</param>
    public int UnitsOfFactor(int most) => FactorColumns / UnitColumns is var units ? Math.Min(units & -units, most) : most;
}

/// <summary>The numbers by which groups are multiples of a factor that several of them share.</summary>
internal enum StepType
{
    /// <summary>None: a group's scale is its factor, its minimum is its own.</summary>
    None,

    /// <summary>Integers from -128 to 127, of minima as well.</summary>
    Integer,

    /// <summary>8-bit floats, finite.</summary>
    E4M3,
}

/// <summary>The scale of a group of codes.</summary>
/// <param name="Factor">The factor.</param>
/// <param name="Step">The scale as a multiple of the factor, an integer or the bits of a float by <see cref="StepType"/>.</param>
/// <param name="Minimum">The minimum, or what it is a multiple of.</param>
/// <param name="MinimumStep">The minimum as a multiple of that.</param>
/// <param name="Zero">The zero point, where groups have them.</param>
internal readonly record struct CodeScale(float Factor, sbyte Step = 1, float Minimum = 0, sbyte MinimumStep = 1, byte Zero = 0);
