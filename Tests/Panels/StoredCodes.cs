using System.Runtime.InteropServices;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Encodings.Ggml;

namespace NativeFfn.Tests.Panels;

/// <summary>Encodings of checkpoints whose codes panels hold as they are, and random rows in them.</summary>
internal static class StoredCodes
{
    /// <summary>The types of ggml.</summary>
    public static readonly string[] OfGgml =
    [
        "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "mxfp4", "nvfp4",
        "q2_0", "tq1_0", "tq2_0", "iq3_xxs", "iq3_s", "q1_0", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s",
    ];

    // Where a block of ggml has halves for scales and minima.
    private static readonly Dictionary<string, int[]> Halves = new()
    {
        ["q4_0"] = [0], ["q4_1"] = [0, 2], ["q5_0"] = [0], ["q5_1"] = [0, 2], ["q8_0"] = [0], ["q2_k"] = [80, 82], ["q3_k"] = [108],
        ["q4_k"] = [0, 2], ["q5_k"] = [0, 2], ["q6_k"] = [208], ["iq4_nl"] = [0], ["iq4_xs"] = [0], ["mxfp4"] = [], ["nvfp4"] = [],
        ["q2_0"] = [0], ["tq1_0"] = [52], ["tq2_0"] = [64], ["iq3_xxs"] = [0], ["iq3_s"] = [0],
        ["q1_0"] = [0], ["iq1_s"] = [0], ["iq1_m"] = [], ["iq2_xxs"] = [0], ["iq2_xs"] = [0], ["iq2_s"] = [0],
    };

    private static readonly GroupedFormat Any = new() { Name = "", Bits = 4, Groups = 1, GroupColumns = 32, Scale = ScaleType.Float16 };

    private static readonly Dictionary<string, GroupedFormat> Grouped = new()
    {
        ["gptq2"] = Any with { Bits = 2, GroupColumns = 64, HasZeros = true },
        ["gptq3"] = Any with { Bits = 3, GroupColumns = 128, HasZeros = true },
        ["gptq4"] = Any with { GroupColumns = 128, HasZeros = true },
        ["gptq8"] = Any with { Bits = 8, GroupColumns = 1 << 20, HasZeros = true },
        ["gptq4 in another order"] = Any with { GroupColumns = 128, HasZeros = true, GroupOf = [] },
        ["gptq3 in another order"] = Any with { Bits = 3, HasZeros = true, GroupOf = [] },
        ["packed4 by 32"] = Any with { Scale = ScaleType.BFloat16, Zero = 8 },
        ["packed4 by 96"] = Any with { GroupColumns = 96, Zero = 8 },
        ["packed8 in another order"] = Any with { Bits = 8, GroupColumns = 64, Scale = ScaleType.Float32, Zero = 128, GroupOf = [] },
        ["packed8"] = Any with { Bits = 8, GroupColumns = 64, Scale = ScaleType.Float32, Zero = 128 },
        ["mlx4"] = Any with { GroupColumns = 64, Scale = ScaleType.BFloat16, HasMinima = true },
        ["mlx6"] = Any with { Bits = 6, HasMinima = true },
        ["mlx8"] = Any with { Bits = 8, Scale = ScaleType.Float32, HasMinima = true },
        ["bitnet"] = Any with { Bits = 2, GroupColumns = 1 << 20, Scale = ScaleType.Float32, Zero = 1 },
        ["bnb int8"] = Any with { Bits = 8, GroupColumns = 1 << 20, Scale = ScaleType.Float32, Zero = 128, Divisor = 127 },
        ["bnb nf4"] = Any with
        {
            GroupColumns = 64,
            Scale = ScaleType.Float32,
            Book = CodeBook.OfTable([.. Enumerable.Range(0, 16).Select(static i => (float)Math.Sin(i))]),
        },
        ["mxfp4 of gpt-oss"] = Any with { Scale = ScaleType.E8M0, Book = CodeBook.E2M1 },
        ["nvfp4 of modelopt"] = Any with { GroupColumns = 16, Scale = ScaleType.E4M3, Book = CodeBook.E2M1, Factor = 0.37f },
        ["nvfp4 of compressed-tensors"] = Any with { GroupColumns = 16, Scale = ScaleType.E4M3, Book = CodeBook.E2M1, Divisor = 700 },
        ["fp8 by blocks"] = Any with { Bits = 8, GroupColumns = 128, Scale = ScaleType.Float32, Book = CodeBook.E4M3 },
        ["mxfp8"] = Any with { Bits = 8, Scale = ScaleType.E8M0, Book = CodeBook.E4M3 },
    };

    /// <summary>The names of all.</summary>
    public static IEnumerable<string> Names => [.. OfGgml, "nvfp4 scaled", "int4", "fp8", .. Grouped.Keys];

    /// <summary>Those whose weights have a second rounding, as a product of scales has more bits than float32.</summary>
    public static bool IsRoundedTwice(string name) => name is "nvfp4 scaled" or "nvfp4 of modelopt" or "nvfp4 of compressed-tensors" or "bnb int8";

    /// <summary>An encoding.</summary>
    public static WeightEncoding Of(string name, int columns)
    {
        if (name == "nvfp4 scaled")
        {
            return new ScaledEncoding(Of("nvfp4", columns), 0.37f);
        }

        if (!Grouped.TryGetValue(name, out GroupedFormat? format))
        {
            return WeightEncodings.All.Single(encoding => encoding.Name == name);
        }

        int group = Math.Min(format.GroupColumns, columns);
        return new GroupedCodes(format with
        {
            Name = name,
            GroupColumns = group,
            Groups = (columns + group - 1) / group,
            GroupOf = format.GroupOf is null ? null : Shuffle(columns, group),
        });
    }

    /// <summary>A group for each column, of as many columns as any but the last group, in no order.</summary>
    public static int[] Shuffle(int columns, int group, int seed = 0)
    {
        int[] groups = [.. Enumerable.Range(0, columns).Select(column => column / group)];
        new Random(seed).Shuffle(groups);
        return groups;
    }

    /// <summary>Columns of rows in the order in which a kernel wants them.</summary>
    public static float[] InOrder(PanelKernel kernel, float[] rows, int columns) => kernel.ColumnOrder is { } order
        ? [.. Enumerable.Range(0, rows.Length).Select(i => rows[(i / columns * columns) + order[i % columns]])]
        : rows;

    /// <summary>Random bytes but for scales and minima, which are made small numbers, and for floats that are no numbers.</summary>
    public static byte[] RandomRows(string name, int rows, int columns)
    {
        WeightEncoding encoding = Of(name, columns);
        var random = new Random(encoding.Name.Length + columns);
        int rowBytes = (int)encoding.RowBytes(columns);
        byte[] all = new byte[rows * rowBytes];
        random.NextBytes(all);
        for (int row = 0; row < rows; row++)
        {
            Span<byte> bytes = all.AsSpan(row * rowBytes, rowBytes);
            switch (encoding)
            {
                case GroupedCodes codes:
                    FillHeader(codes, bytes, random);
                    break;
                case E4M3Encoding:
                    MemoryMarshal.Write(bytes, Small(random));
                    Quieten(bytes[sizeof(float)..]);
                    break;
                default:
                    for (; !bytes.IsEmpty; bytes = bytes[encoding.BlockBytes..])
                    {
                        FillBlock(name, bytes, random);
                    }

                    break;
            }
        }

        return all;
    }

    /// <summary>All weights, <c>[rows, columns]</c>, by the encoding's decoder.</summary>
    public static float[] Decode(string name, byte[] rows, int columns)
    {
        WeightEncoding encoding = Of(name, columns);
        int rowBytes = (int)encoding.RowBytes(columns);
        float[] weights = new float[rows.Length / rowBytes * columns];
        for (int row = 0; row * rowBytes < rows.Length; row++)
        {
            encoding.Decode(rows.AsSpan(row * rowBytes, rowBytes), 0, weights.AsSpan(row * columns, columns));
        }

        return weights;
    }

    private static float Small(Random random) => (float)((random.NextDouble() * 0.2) - 0.1);

    private static void FillBlock(string name, Span<byte> block, Random random)
    {
        if (name == "int4")
        {
            MemoryMarshal.Write(block, (ushort)(BitConverter.SingleToUInt32Bits(Small(random)) >> 16));
            return;
        }

        foreach (int place in Halves[name.Split(' ')[0]])
        {
            MemoryMarshal.Write(block[place..], (Half)Small(random));
        }

        if (name == "mxfp4")
        {
            block[0] = (byte)random.Next(110, 130);
        }
        else if (name == "iq1_m")
        {
            // A half of which the upper nibbles of four integers are the digits, the lowest first.
            ushort bits = BitConverter.HalfToUInt16Bits((Half)Small(random));
            for (int digit = 0; digit < 4; digit++)
            {
                ref byte place = ref block[49 + (2 * digit)];
                place = (byte)((place & 15) | (((bits >> (4 * digit)) & 15) << 4));
            }
        }
    }

    private static void FillHeader(GroupedCodes codes, Span<byte> row, Random random)
    {
        GroupedFormat format = codes.Format;
        Span<byte> numbers = row[codes.ScaleOffset..codes.ZeroOffset];
        for (int at = 0; at < numbers.Length; at += format.Scale.Bytes())
        {
            switch (format.Scale)
            {
                case ScaleType.Float32:
                    MemoryMarshal.Write(numbers[at..], Small(random));
                    break;
                case ScaleType.Float16:
                    MemoryMarshal.Write(numbers[at..], (Half)Small(random));
                    break;
                case ScaleType.BFloat16:
                    MemoryMarshal.Write(numbers[at..], (ushort)(BitConverter.SingleToUInt32Bits(Small(random)) >> 16));
                    break;
                default:
                    numbers[at] = (byte)(format.Scale == ScaleType.E8M0 ? random.Next(110, 130) : random.Next(0, 0x50));
                    break;
            }
        }

        foreach (ref byte zero in row[codes.ZeroOffset..codes.HeaderBytes])
        {
            zero = (byte)(zero % (1 << format.Bits));
        }

        if (format.Book == CodeBook.E4M3)
        {
            Quieten(row[codes.HeaderBytes..]);
        }
    }

    private static void Quieten(Span<byte> floats)
    {
        foreach (ref byte code in floats)
        {
            code = (code & 0x7F) == 0x7F ? (byte)0 : code;
        }
    }
}
