using System.Buffers.Binary;
using System.Collections.Immutable;
using Iced.Intel;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Tiles of integers by AMX, interpreted: the bits of sums that are exact within a group and rounded as the kernels in C# round.</summary>
public sealed unsafe class IntegerMatrixTileTests
{
    private const int Rows = 32;
    private const int GroupColumns = 32;
    private const int Lines = 2;
    private const ulong Next = 64;

    // In a lane of a panel and of a token from the lowest byte on.
    private static readonly int[] ColumnsOfLane = [0, 2, 1, 3];

    private static IEnumerable<byte> Sizes => TokenTiles.Sizes.ToArray().Where(static size => size >= IntegerMatrixTile.FewestTokens);

    private static IEnumerable<string> Forms => TileForm.All.Where(IsTested).Select(static form => form.ToString());

    // Panels of 4 bits are made such of 8 before.
    private static bool IsTested(TileForm form) =>
        form is { Product: DotProduct.ByteMatrices or DotProduct.WordMatrices, Weights: PanelWeights.Int8, Head: not PanelGroupHead.BFloat16Scales };

    private static TileForm Form(string name) => TileForm.All.Single(form => form.ToString() == name);

    [Test]
    public void A_tile_has_the_bits_of_exact_groups_and_touches_nothing_else(
        [ValueSource(nameof(Forms))] string name, [ValueSource(nameof(Sizes))] byte size, [Values(1, 2, 3, 16)] int steps,
        [Values] bool accumulates, [Values] bool ofWindows, [Values] bool isExtreme)
    {
        TileForm form = Form(name);
        var problem = new Problem(form, size, steps, isExtreme);
        float[] before = RandomLayers.Rows(size, Rows, 82);
        byte[] panel = problem.Panel(), tokens = problem.Tokens();
        using GuardedBuffer sums = GuardedBuffer.Of(before, GuardSide.After);
        using var scratch = new GuardedBuffer(IntegerMatrixTile.ScratchBytes(form, size) / sizeof(float), GuardSide.After);
        var code = new TileInterpreter();
        fixed (byte* weights = panel, rows = tokens)
        {
            TileArguments arguments = default;
            arguments.Steps = steps;
            arguments.Weights = weights;
            arguments.Tokens = (float*)rows;
            arguments.Sums = sums.Pointer;
            arguments.Next = (byte*)Next;
            arguments.Lines = Lines;
            arguments.Accumulate = accumulates ? 1 : 0;
            arguments.Scratch = (byte*)scratch.Pointer;
            code.Allow(weights, panel.Length, isWritable: false);
            code.Allow(rows, tokens.Length, isWritable: false);
            code.Allow(sums.Pointer, sums.Length * sizeof(float), isWritable: true);
            code.Allow(scratch.Pointer, scratch.Length * sizeof(float), isWritable: true);
            code.Allow(&arguments, sizeof(TileArguments) - (TileAssembler.SavedVectors * TileAssembler.SavedBytes), isWritable: false);
            code.Allow(arguments.Saved, TileAssembler.SavedVectors * TileAssembler.SavedBytes, isWritable: true);
            code.RunTile(form, size, ofWindows ? TileConvention.Windows : TileConvention.SystemV, &arguments);
        }

        Assert.That(code.Products, Is.EqualTo(steps * form.Parts * 2 * problem.Planes));
        Assert.That(code.Asked, Is.EqualTo(Enumerable.Range(0, Lines * steps).Select(static line => Next + ((ulong)line * 64))));
        for (int token = 0; token < size; token++)
        {
            for (int row = 0; row < Rows; row++)
            {
                float expected = problem.Sum(token, row, accumulates ? before[(token * Rows) + row] : 0);
                Assert.That(
                    BitConverter.SingleToInt32Bits(sums.Span[(token * Rows) + row]), Is.EqualTo(BitConverter.SingleToInt32Bits(expected)), $"token {token}, row {row}");
            }
        }
    }

    [Test]
    public void Registers_have_the_rows_and_bytes_of_their_operands([ValueSource(nameof(Forms))] string name, [ValueSource(nameof(Sizes))] byte size)
    {
        TileForm form = Form(name);
        byte[] configuration = TileCode.ConfigurationOf(form, new TileShape(size, size))!;
        int columns = form.Head == PanelGroupHead.Float32Halves ? 16 : 32;
        (int, int) sums = (size, 64), tokens = (size, columns), weights = (columns / 4, 64), none = (0, 0);
        (int, int)[] expected = form.Product == DotProduct.ByteMatrices
            ? [sums, sums, tokens, weights, weights, none, none, none]
            : [sums, sums, sums, sums, tokens, tokens, weights, weights];
        Assert.That(configuration, Has.Length.EqualTo(64));
        Assert.That(configuration[0], Is.EqualTo(1), "the palette");
        Assert.That(
            Enumerable.Range(0, 8).Select(register => ((int)configuration[48 + register], (int)BinaryPrimitives.ReadUInt16LittleEndian(configuration.AsSpan(16 + (2 * register))))),
            Is.EqualTo(expected));
    }

    [Test]
    public void Products_are_of_tokens_on_the_left_and_weights_on_the_right([ValueSource(nameof(Forms))] string name, [ValueSource(nameof(Sizes))] byte size)
    {
        TileForm form = Form(name);
        var decoder = Decoder.Create(64, TileCode.BytesOf(form, new TileShape(size, size), TileConvention.SystemV));
        ImmutableArray<Instruction> code = [.. decoder];
        Assert.That(code.Where(static instruction => instruction.IsInvalid), Is.Empty);

        // Which operand's memory a register is loaded from, all through the code.
        var sources = code.Where(static one => one.Mnemonic == Mnemonic.Tileloadd).ToLookup(static one => one.Op0Register, static one => one.MemoryBase);
        Instruction[] products = [.. code.Where(static one => one.Mnemonic is Mnemonic.Tdpbssd or Mnemonic.Tdpbusd or Mnemonic.Tdpbsud or Mnemonic.Tdpbuud)];
        Assert.That(products, Is.Not.Empty);
        foreach (Instruction product in products)
        {
            Assert.That(sources[product.Op1Register], Is.Not.Empty.And.All.EqualTo(Register.RDX), $"{product}");
            Assert.That(sources[product.Op2Register], Is.Not.Empty.And.All.EqualTo(Register.RAX), $"{product}");
            Assert.That(sources[product.Op0Register], Is.Empty, $"{product}");
        }

        // Lower bytes of words alone have no sign.
        Assert.That(products.Count(static one => one.Mnemonic == Mnemonic.Tdpbusd), Is.EqualTo(form.Product == DotProduct.WordMatrices ? products.Length / 2 : 0));
        Assert.That(products.Count(static one => one.Mnemonic == Mnemonic.Tdpbssd), Is.EqualTo(form.Product == DotProduct.WordMatrices ? products.Length / 2 : products.Length));
    }

    [Test]
    public void The_smallest_tiles_are_those_by_vectors([Values(1, 2)] int size, [Values] bool ofWindows)
    {
        TileConvention convention = ofWindows ? TileConvention.Windows : TileConvention.SystemV;
        foreach (TileForm form in TileForm.All.Where(static form => form.Product is DotProduct.ByteMatrices or DotProduct.WordMatrices))
        {
            var shape = new TileShape(size, size);
            Assert.That(TileCode.ShapesOf(form).Where(one => one.Stride == size), Is.EqualTo([shape]));
            Assert.That(TileCode.ShapesOf(form.OfVectors).Where(one => one.Stride == size), Is.EqualTo([shape]));
            Assert.That(TileCode.BytesOf(form, shape, convention), Is.EqualTo(TileCode.BytesOf(form.OfVectors, shape, convention)), $"{form}");
            Assert.That(TileCode.ConfigurationOf(form, shape), Is.Null);
        }
    }

    // Integers of a panel and of tokens with their scales, and how they lie.
    private sealed class Problem
    {
        private readonly int _size;
        private readonly int _groups;
        private readonly int _parts;
        private readonly bool _hasOffsets;
        private readonly int[] _weights;
        private readonly int[] _rows;
        private readonly float[] _scales;
        private readonly float[] _offsets;
        private readonly float[] _tokenScales;
        private readonly float[] _elements;

        public Problem(TileForm form, int size, int groups, bool isExtreme)
        {
            (_size, _groups) = (size, groups);
            _parts = form.Head == PanelGroupHead.Float32Halves ? 2 : 1;
            _hasOffsets = form.Head == PanelGroupHead.Float32Offsets;
            Planes = form.Product == DotProduct.ByteMatrices ? 1 : 2;
            var random = new Random(size + groups);
            int least = Planes == 1 ? sbyte.MinValue : short.MinValue;
            _weights = Draw(Rows * groups * GroupColumns, sbyte.MinValue, isExtreme, random);
            _rows = Draw(size * groups * GroupColumns, least, isExtreme, random);
            _scales = RandomLayers.Rows(groups * _parts, Rows, 90);
            _offsets = RandomLayers.Rows(groups, Rows, 91);
            _tokenScales = RandomLayers.Rows(groups, size, 92);
            _elements = RandomLayers.Rows(groups, size, 93);
        }

        // Bytes of a token's integer.
        public int Planes { get; }

        // Scales, offsets, then 8 blocks of a lane for each row; where there are parts, each with its scales.
        public byte[] Panel()
        {
            using var bytes = new MemoryStream();
            using var writer = new BinaryWriter(bytes);
            for (int part = 0; part < _groups * _parts; part++)
            {
                Write(writer, _scales.AsSpan(part * Rows, Rows));
                if (_hasOffsets)
                {
                    Write(writer, _offsets.AsSpan(part * Rows, Rows));
                }

                int columns = GroupColumns / _parts;
                for (int block = 0; block < columns / 4; block++)
                {
                    for (int row = 0; row < Rows; row++)
                    {
                        foreach (int column in ColumnsOfLane)
                        {
                            writer.Write((sbyte)Weight(row, (part * columns) + (block * 4) + column));
                        }
                    }
                }
            }

            return bytes.ToArray();
        }

        // The bytes of a token, of words the upper ones first; then scales, the offsets' factors, and numbers that nobody may use.
        public byte[] Tokens()
        {
            using var bytes = new MemoryStream();
            using var writer = new BinaryWriter(bytes);
            for (int group = 0; group < _groups; group++)
            {
                for (int token = 0; token < _size; token++)
                {
                    for (int plane = 0; plane < Planes; plane++)
                    {
                        int shift = Planes == 2 && plane == 0 ? 8 : 0;
                        for (int i = 0; i < GroupColumns; i++)
                        {
                            writer.Write((byte)(Element(token, (group * GroupColumns) + (i / 4 * 4) + ColumnsOfLane[i % 4]) >> shift));
                        }
                    }
                }

                Write(writer, _tokenScales.AsSpan(group * _size, _size));
                Write(writer, _elements.AsSpan(group * _size, _size));
                for (int i = 0; i < (Planes == 1 ? _parts : 2) * _size; i++)
                {
                    writer.Write(float.NaN);
                }
            }

            return bytes.ToArray();
        }

        // A group's sum is exact; each step from there on is rounded to float32.
        public float Sum(int token, int row, float sum)
        {
            int columns = GroupColumns / _parts;
            for (int part = 0; part < _groups * _parts; part++)
            {
                long exact = 0;
                for (int column = part * columns; column < (part + 1) * columns; column++)
                {
                    exact += (long)Weight(row, column) * Element(token, column);
                }

                Assert.That(exact, Is.EqualTo((int)exact), "32 bits hold it");
                int group = part / _parts;
                float scaled = (float)exact * _tokenScales[(group * _size) + token];
                sum = MathF.FusedMultiplyAdd(scaled, _scales[(part * Rows) + row], sum);
                if (_hasOffsets)
                {
                    sum = MathF.FusedMultiplyAdd(_offsets[(part * Rows) + row], _elements[(group * _size) + token], sum);
                }
            }

            return sum;
        }

        // Of the extreme ones each row is of one sign but for a few, so that sums come near the bounds of what 32 bits must hold.
        private static int[] Draw(int count, int least, bool isExtreme, Random random)
        {
            int[] numbers = new int[count];
            for (int i = 0; i < count; i++)
            {
                numbers[i] = !isExtreme ? random.Next(least, -least)
                    : (i / GroupColumns % 4, random.Next(8)) switch { (_, 0) => 0, (0, _) => least, (1, _) => -least - 1, (2, _) => least + 1, _ => random.Next(2) == 0 ? least : -least - 1 };
            }

            return numbers;
        }

        private static void Write(BinaryWriter writer, ReadOnlySpan<float> numbers)
        {
            foreach (float number in numbers)
            {
                writer.Write(number);
            }
        }

        private int Weight(int row, int column) => _weights[(row * _groups * GroupColumns) + column];

        private int Element(int token, int column) => _rows[(token * _groups * GroupColumns) + column];
    }
}
