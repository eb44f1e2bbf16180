using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>
/// Codes of 1 to 8 bits with a scale for each group of a row's columns: the general form of weights that were quantised by others. Made for
/// one matrix, whose format it has, and only ever read.
/// </summary>
/// <remarks>
/// A row is a header, then the codes, the lowest bits first, in blocks of 8. The header is the row's phase, where rows have one (2 bytes),
/// the scales of all groups, their minima, their zero points. A weight is the exact product, rounded once to float32.
/// </remarks>
internal sealed class GroupedCodes : WeightEncoding
{
    // Columns decoded at a time; their codes lie on the stack.
    private const int Piece = 256;

    private readonly CodeBits _bits;
    private readonly int _scaleBytes;
    private readonly bool _hasFactor;

    /// <summary>Codes of a matrix.</summary>
    /// <param name="format">What they mean.</param>
    public GroupedCodes(GroupedFormat format)
        : base(format.Name, CodeBits.Block, format.Bits)
    {
        Format = format;
        _bits = new CodeBits(format.Bits);
        _scaleBytes = format.Scale.Bytes();
        _hasFactor = format.Factor != 1 || format.Divisor != 1;
        HeaderBytes = checked((format.HasPhase ? sizeof(ushort) : 0)
            + (format.Groups * ((_scaleBytes * (format.HasMinima ? 2 : 1)) + (format.HasZeros ? 1 : 0))));
        ColumnOrder = format.OrderColumns();
        Codes = format.CodesIn(ColumnOrder);
        CutColumns = format.Groups == 1 ? CodeForm.MostColumns
            : KeepsGroups(format) ? CodeBits.Block
            : LeastCommonMultiple(CodeBits.Block, format.GroupColumns);
    }

    /// <summary>What the codes mean.</summary>
    public GroupedFormat Format { get; }

    /// <summary>Where the scales begin in a row.</summary>
    public int ScaleOffset => Format.HasPhase ? sizeof(ushort) : 0;

    /// <summary>Where the minima begin in a row.</summary>
    public int MinimumOffset => ScaleOffset + (Format.Groups * _scaleBytes);

    /// <summary>Where the zero points begin in a row.</summary>
    public int ZeroOffset => MinimumOffset + (Format.HasMinima ? Format.Groups * _scaleBytes : 0);

    /// <inheritdoc/>
    public override int HeaderBytes { get; }

    /// <inheritdoc/>
    public override bool HoldsNonFinite => true;

    /// <inheritdoc/>
    public override int[]? ColumnOrder { get; }

    /// <inheritdoc/>
    public override CodeForm? Codes { get; }

    /// <inheritdoc/>
    public override CodeScale ReadCodes(ReadOnlySpan<byte> row, int firstColumn, Span<byte> codes)
    {
        if (ColumnOrder is { } order)
        {
            ReadOnlySpan<byte> packed = row[HeaderBytes..];
            for (int i = 0; i < codes.Length; i++)
            {
                codes[i] = _bits.One(packed, order[firstColumn + i]);
            }
        }
        else
        {
            _bits.Unpack(row[(HeaderBytes + (firstColumn / BlockColumns * BlockBytes))..], codes);
        }

        int group = Format.Groups == 1 ? 0 : firstColumn / Format.GroupColumns;
        (float stored, float zero, float minimum) = GroupOf(row, group);
        // Floats that are no numbers make sums such, as their scale does.
        if (Format.Book == CodeBook.E4M3 && E4M3Encoding.HasNaN(codes))
        {
            stored = float.NaN;
        }

        if (Format.Scale == ScaleType.E4M3 && float.IsFinite(stored))
        {
            return new CodeScale((float)((double)Format.Factor / Format.Divisor), (sbyte)row[ScaleOffset + group]);
        }

        float scale = _hasFactor ? (float)((double)stored * Format.Factor / Format.Divisor) : stored;
        return new CodeScale(scale, Minimum: minimum, Zero: (byte)zero);
    }

    /// <inheritdoc/>
    [SkipLocalsInit]
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        Span<byte> room = stackalloc byte[Piece];
        ReadOnlySpan<byte> packed = row[(HeaderBytes + (firstColumn / BlockColumns * BlockBytes))..];
        while (!weights.IsEmpty)
        {
            Span<float> part = weights[..Math.Min(weights.Length, Piece)];
            Span<byte> codes = room[..part.Length];
            _bits.Unpack(packed, codes);
            Format.Book.Expand(codes, part);
            if (Format.GroupOf is { } groups)
            {
                Scatter(row, groups.AsSpan(firstColumn, part.Length), part);
            }
            else
            {
                Scale(row, firstColumn, part);
            }

            packed = packed[Math.Min(packed.Length, Piece / BlockColumns * BlockBytes)..];
            firstColumn += part.Length;
            weights = weights[part.Length..];
        }
    }

    /// <inheritdoc/>
    /// <remarks>Whole groups take their scales along; where a column's group is not told by its place, all scales go with every part.</remarks>
    public override int CutColumns { get; }

    /// <inheritdoc/>
    public override WeightEncoding Cut(int firstColumn, int columns) =>
        Format.HasPhase && firstColumn > ushort.MaxValue - Format.GroupColumns ? throw new NotSupportedException(
            $"Rows in {Name} that begin inside a group cannot be cut at column {firstColumn}. Use fewer ranks.")
        : new GroupedCodes(KeepsGroups(Format)
            ? Format with { GroupOf = Format.GroupOf?.AsSpan(firstColumn, columns).ToArray() }
            : Format with { Groups = GroupsOf(columns) });

    /// <inheritdoc/>
    public override void CutRow(ReadOnlySpan<byte> row, int firstColumn, int columns, Span<byte> part)
    {
        ReadOnlySpan<byte> codes = row[(HeaderBytes + (firstColumn / BlockColumns * BlockBytes))..];
        if (KeepsGroups(Format))
        {
            row[..HeaderBytes].CopyTo(part);
            if (Format.HasPhase)
            {
                MemoryMarshal.Write(part, checked((ushort)(MemoryMarshal.Read<ushort>(row) + firstColumn)));
            }

            part = part[HeaderBytes..];
        }
        else
        {
            int first = firstColumn / Format.GroupColumns;
            int groups = GroupsOf(columns);
            part = CopyGroups(row, ScaleOffset, _scaleBytes, first, groups, part);
            part = Format.HasMinima ? CopyGroups(row, MinimumOffset, _scaleBytes, first, groups, part) : part;
            part = Format.HasZeros ? CopyGroups(row, ZeroOffset, 1, first, groups, part) : part;
        }

        codes[..part.Length].CopyTo(part);
    }

    private static bool KeepsGroups(GroupedFormat format) => format.Groups == 1 || format.GroupOf is not null || format.HasPhase;

    private static int LeastCommonMultiple(int left, int right) =>
        (int)(left * ((long)right / (long)System.Numerics.BigInteger.GreatestCommonDivisor(left, right)));

    private static Span<byte> CopyGroups(ReadOnlySpan<byte> row, int offset, int bytes, int first, int groups, Span<byte> part)
    {
        row.Slice(offset + (first * bytes), groups * bytes).CopyTo(part);
        return part[(groups * bytes)..];
    }

    private int GroupsOf(int columns) => (columns + Format.GroupColumns - 1) / Format.GroupColumns;

    private void Scale(ReadOnlySpan<byte> row, int column, Span<float> values)
    {
        column += Format.HasPhase ? MemoryMarshal.Read<ushort>(row) : 0;
        while (!values.IsEmpty)
        {
            (int group, int inGroup) = Math.DivRem(column, Format.GroupColumns);
            Span<float> run = values[..Math.Min(values.Length, Format.GroupColumns - inGroup)];
            Scale(GroupOf(row, group), run);
            column += run.Length;
            values = values[run.Length..];
        }
    }

    private void Scatter(ReadOnlySpan<byte> row, ReadOnlySpan<int> groups, Span<float> values)
    {
        for (int i = 0; i < values.Length;)
        {
            int end = i + 1;
            while (end < values.Length && groups[end] == groups[i])
            {
                end++;
            }

            Scale(GroupOf(row, groups[i]), values[i..end]);
            i = end;
        }
    }

    private (float Scale, float Zero, float Minimum) GroupOf(ReadOnlySpan<byte> row, int group) => (
        Format.Scale.Read(row[ScaleOffset..], group),
        Format.HasZeros ? row[ZeroOffset + group] : Format.Zero,
        Format.HasMinima ? Format.Scale.Read(row[MinimumOffset..], group) : 0);

    private void Scale((float Scale, float Zero, float Minimum) group, Span<float> values)
    {
        if (Format.HasMinima)
        {
            AddMinimum(group.Scale, group.Minimum, values);
        }
        else if (_hasFactor && Format.Scale == ScaleType.Float32)
        {
            MultiplyInDouble(group.Scale, group.Zero, values);
        }
        else
        {
            Multiply(group.Scale, group.Zero, values);
        }
    }

    private static void AddMinimum(float scale, float minimum, Span<float> values)
    {
        int i = 0;
        for (; i + Vector<float>.Count <= values.Length; i += Vector<float>.Count)
        {
            Vector<float> codes = new(values[i..]);
            Vector.FusedMultiplyAdd(codes, new Vector<float>(scale), new Vector<float>(minimum)).CopyTo(values[i..]);
        }

        for (; i < values.Length; i++)
        {
            values[i] = MathF.FusedMultiplyAdd(values[i], scale, minimum);
        }
    }

    // A product of a code and a scale of 11 bits or fewer is exact, so that the factor's rounding is the only one; so is a lone product's.
    private void Multiply(float scale, float zero, Span<float> values)
    {
        (float factor, float divisor) = (Format.Factor, Format.Divisor);
        int i = 0;
        for (; i + Vector<float>.Count <= values.Length; i += Vector<float>.Count)
        {
            Vector<float> product = (new Vector<float>(values[i..]) - new Vector<float>(zero)) * scale;
            (_hasFactor ? product * factor / new Vector<float>(divisor) : product).CopyTo(values[i..]);
        }

        for (; i < values.Length; i++)
        {
            float product = (values[i] - zero) * scale;
            values[i] = _hasFactor ? product * factor / divisor : product;
        }
    }

    private void MultiplyInDouble(float scale, float zero, Span<float> values)
    {
        (double factor, double divisor) = (Format.Factor, Format.Divisor);
        int i = 0;
        for (; i + Vector<float>.Count <= values.Length; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(values[i..]) - new Vector<float>(zero), out Vector<double> low, out Vector<double> high);
            low = low * scale * factor / new Vector<double>(divisor);
            high = high * scale * factor / new Vector<double>(divisor);
            Vector.Narrow(low, high).CopyTo(values[i..]);
        }

        for (; i < values.Length; i++)
        {
            values[i] = (float)((double)(values[i] - zero) * scale * factor / divisor);
        }
    }
}
