using System.Buffers.Binary;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
using NUnit.Framework;

namespace NativeFfn.Tests.Encodings;

/// <summary>Grouped codes against the formula, a weight at a time in float64, at odd widths and from every block on.</summary>
[TestFixture]
public sealed class GroupedCodesTests
{
    private static IEnumerable<TestCaseData> Formats()
    {
        foreach (int bits in (int[])[1, 2, 3, 4, 5, 6, 7, 8])
        {
            yield return Case($"{bits} bits", bits, 32, ScaleType.Float16, static format => format with { HasZeros = true });
            yield return Case($"{bits} bits with minima", bits, 24, ScaleType.BFloat16, static format => format with { HasMinima = true });
        }

        yield return Case("a constant zero point", 4, 128, ScaleType.BFloat16, static format => format with { Zero = 8 });
        yield return Case("zero points and minima of float32", 4, 7, ScaleType.Float32, static format => format with { HasMinima = true });
        yield return Case("a divisor", 8, 1000, ScaleType.Float32, static format => format with { Zero = 128, Divisor = 127 });
        yield return Case("mxfp4", 4, 32, ScaleType.E8M0, static format => format with { Book = CodeBook.E2M1 });
        yield return Case("nvfp4", 4, 16, ScaleType.E4M3, static format => format with { Book = CodeBook.E2M1, Factor = 0.37f });
        yield return Case("fp8", 8, 128, ScaleType.Float32, static format => format with { Book = CodeBook.E4M3 });
        yield return Case("fp8 with more range", 8, 128, ScaleType.E8M0, static format => format with { Book = CodeBook.E5M2 });
        yield return Case("a table, rows that begin inside blocks", 4, 64, ScaleType.Float32, static format => format with
        {
            Book = CodeBook.OfTable([.. Enumerable.Range(0, 16).Select(static i => (float)Math.Sin(i))]),
            HasPhase = true,
            Groups = format.Groups + 1,
        });
        yield return Case("columns in any order", 4, 32, ScaleType.Float16, static format => format with
        {
            HasZeros = true,
            GroupOf = [.. Enumerable.Range(0, 1000).Select(i => i * 7 / 5 % format.Groups)],
        });
    }

    [TestCaseSource(nameof(Formats))]
    public void A_row_is_decoded_as_its_formula_has_it(object made, int columns)
    {
        var format = (GroupedFormat)made;
        var encoding = new GroupedCodes(format);
        var random = new Random(columns + format.Bits);
        byte[] row = RandomRow(encoding, columns, random);
        float[] expected = [.. Enumerable.Range(0, columns).Select(column => Weight(encoding, row, column))];
        for (int first = 0; first < columns; first += 8 * random.Next(1, 5))
        {
            float[] weights = new float[random.Next(1, columns - first + 1)];
            encoding.Decode(row, first, weights);
            for (int i = 0; i < weights.Length; i++)
            {
                (int column, float wanted) = (first + i, expected[first + i]);
                Assert.That(weights[i].Equals(wanted), $"column {column}: {weights[i]:R} instead of {wanted:R}");
            }
        }
    }

    [TestCaseSource(nameof(Formats))]
    public void Parts_of_a_row_are_decoded_as_they_are_in_it(object made, int columns)
    {
        var format = (GroupedFormat)made;
        var encoding = new GroupedCodes(format);
        var random = new Random(columns + format.Bits);
        byte[] row = RandomRow(encoding, columns, random);
        float[] whole = new float[columns];
        encoding.Decode(row, 0, whole);
        foreach (int units in (int[])[1, 2, 5])
        {
            for (int first = 0; first < columns; first += units * encoding.CutColumns)
            {
                float[] weights = new float[Math.Min(units * encoding.CutColumns, columns - first)];
                WeightEncoding part = encoding.Cut(first, weights.Length);
                byte[] cut = new byte[part.RowBytes(weights.Length)];
                encoding.CutRow(row, first, weights.Length, cut);
                part.Decode(cut, 0, weights);
                Assert.That(
                    MemoryMarshal.AsBytes(weights.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(whole.AsSpan(first, weights.Length))),
                    $"{weights.Length} columns from {first} on");
            }
        }
    }

    [TestCase(0.5f, new float[] { 0, 0.5f, 1, 1.5f, 2, 3, 4, 6, 0, -0.5f, -1, -1.5f, -2, -3, -4, -6 })]
    [TestCase(1f, new float[] { -128, 127, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(0.125f, new float[] { -16, 15.875f, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(null, new float[] { 128, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(null, new float[] { -64.5f, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(null, new float[] { 1f / 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(null, new float[] { float.NaN, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    [TestCase(null, new float[] { float.PositiveInfinity, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })]
    public void A_table_knows_whether_it_is_8_bit_integers_times_a_power_of_two(float? unit, float[] table)
    {
        var book = CodeBook.OfTable(table);
        Assert.That(book.Multiples?.Select(number => number * book.Unit), unit is null ? Is.Null : Is.EqualTo(table));
        Assert.That(book.Unit, Is.EqualTo(unit ?? 1));
    }

    private static byte[] RandomRow(GroupedCodes encoding, int columns, Random random)
    {
        byte[] row = new byte[encoding.RowBytes(columns)];
        random.NextBytes(row);
        if (encoding.Format.HasPhase)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(row, (ushort)random.Next(encoding.Format.GroupColumns));
        }

        return row;
    }

    private static TestCaseData Case(string name, int bits, int group, ScaleType scale, Func<GroupedFormat, GroupedFormat> change)
    {
        const int columns = 677;
        int groups = (columns + group - 1) / group;
        var format = new GroupedFormat { Name = name, Bits = bits, Groups = groups, GroupColumns = group, Scale = scale };
        return new TestCaseData(change(format), columns).SetArgDisplayNames(name);
    }

    private static float Weight(GroupedCodes encoding, byte[] row, int column)
    {
        GroupedFormat format = encoding.Format;
        int phase = format.HasPhase ? BinaryPrimitives.ReadUInt16LittleEndian(row) : 0;
        int group = format.GroupOf?[column] ?? ((column + phase) / format.GroupColumns);
        int code = 0;
        for (int bit = 0; bit < format.Bits; bit++)
        {
            int at = (column * format.Bits) + bit;
            code |= ((row[encoding.HeaderBytes + (at / 8)] >> (at % 8)) & 1) << bit;
        }

        float[] value = new float[1];
        format.Book.Expand([(byte)code], value);
        float scale = format.Scale.Read(row.AsSpan(encoding.ScaleOffset), group);
        if (format.HasMinima)
        {
            // A float64 would lose a minimum that decides a tie.
            return MathF.FusedMultiplyAdd(value[0], scale, format.Scale.Read(row.AsSpan(encoding.MinimumOffset), group));
        }

        int zero = format.HasZeros ? row[encoding.ZeroOffset + group] : format.Zero;
        return (float)((value[0] - zero) * (double)scale * format.Factor / format.Divisor);
    }
}
