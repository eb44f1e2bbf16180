namespace NativeFfn.Backends.Encodings;

/// <summary>
/// What the codes of a matrix mean: w = scale · (book[q] - zero), or scale · book[q] + minimum, with a factor for the whole matrix.
/// </summary>
/// <remarks>Scale, zero point and minimum belong to a group of columns of one row.</remarks>
internal sealed record GroupedFormat
{
    /// <summary>The format's name, for messages.</summary>
    public required string Name { get; init; }

    /// <summary>Bits of a code, 1 to 8.</summary>
    public required int Bits { get; init; }

    /// <summary>Groups of a row.</summary>
    public required int Groups { get; init; }

    /// <summary>Neighbouring columns of a group; not looked at where <see cref="GroupOf"/> says each column's.</summary>
    public required int GroupColumns { get; init; }

    /// <summary>The format of scales and minima.</summary>
    public required ScaleType Scale { get; init; }

    /// <summary>The numbers that codes stand for.</summary>
    public CodeBook Book { get; init; } = CodeBook.Integers;

    /// <summary>The zero point of all groups, where they have none of their own.</summary>
    public int Zero { get; init; }

    /// <summary>Whether each group has a zero point, a byte.</summary>
    public bool HasZeros { get; init; }

    /// <summary>Whether each group has a minimum, added to the product.</summary>
    public bool HasMinima { get; init; }

    /// <summary>The group of each column; null where a group is neighbouring columns.</summary>
    public int[]? GroupOf { get; init; }

    /// <summary>
    /// Whether a row may begin inside a group, so that the group of a column is (column + the row's phase) / <see cref="GroupColumns"/>.
    /// </summary>
    public bool HasPhase { get; init; }

    /// <summary>Multiplies every weight.</summary>
    public float Factor { get; init; } = 1;

    /// <summary>Divides every weight.</summary>
    public float Divisor { get; init; } = 1;

    /// <summary>The same as codes of panels; null where groups begin with every 16th or 32nd column in no order, or numbers have no short form.</summary>
    /// <param name="order">What <see cref="OrderColumns"/> gives.</param>
    public CodeForm? CodesIn(int[]? order)
    {
        int group = Groups == 1 ? CodeForm.WholeRow : GroupColumns;
        bool hasScales = (GroupOf is null || order is not null) && !HasPhase && (group == 16 || (group % CodeForm.MostColumns == 0 && group > 0));
        if (!hasScales || !(Book == CodeBook.Integers || Book == CodeBook.E4M3 || Book.Table is not null))
        {
            return null;
        }

        // What is a product is a float32; so is what has no format of its own there.
        bool isExact = Factor == 1 && Divisor == 1;
        var form = new CodeForm(Bits, group) { HasMinima = HasMinima, HasZeros = HasZeros, Zero = Zero, Book = Book };
        return Scale switch
        {
            ScaleType.E4M3 when !HasMinima && !HasZeros => form with { FactorColumns = CodeForm.WholeRow, Steps = StepType.E4M3 },
            ScaleType.Float16 or ScaleType.BFloat16 when isExact => form with { Scale = Scale },
            ScaleType.E8M0 when isExact => form with { Scale = ScaleType.BFloat16 },
            ScaleType.E4M3 => null,
            _ => form,
        };
    }

    /// <summary>
    /// The columns in the order in which each group is neighbouring ones; null where they are stored so, or where groups have other numbers of them.
    /// </summary>
    public int[]? OrderColumns()
    {
        if (GroupOf is null)
        {
            return null;
        }

        int[] order = new int[GroupOf.Length];
        int[] filled = new int[Groups];
        for (int column = 0; column < order.Length; column++)
        {
            int group = GroupOf[column];
            long place = ((long)group * GroupColumns) + filled[group];
            if (filled[group]++ == GroupColumns || place >= order.Length)
            {
                return null;
            }

            order[place] = column;
        }

        return order;
    }
}
