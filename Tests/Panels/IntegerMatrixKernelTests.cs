using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Gemm.Managed.Integers;
using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>The kernel around tiles of integers by AMX: whole products, with all that is packed, widened and configured for them.</summary>
public sealed unsafe class IntegerMatrixKernelTests
{
    private const int Rows = 37;
    private const int Columns = 512;

    private static readonly int[] ColumnsOfLane = [0, 2, 1, 3];

    // With bfloat16 and float32 scales, with offsets, and with scales for each half of a group.
    private static readonly string[] Encodings = ["int8", "int4", "q8_0", "q4_0", "q4_1", "q5_1", "q6_k", "q3_k"];

    private static readonly DotProduct[] Products = [DotProduct.ByteMatrices, DotProduct.WordMatrices];

    private static IEnumerable<byte> Sizes => TokenTiles.Sizes.ToArray();

    private static IEnumerable<string> Instructions => Products.Select(DotProducts.NameOf);

    private static TokenType TokensOf(DotProduct product) => product == DotProduct.ByteMatrices ? TokenType.Int8 : TokenType.Int16;

    [OneTimeSetUp]
    public void RequireVectors()
    {
        if (!Vector512.IsHardwareAccelerated || !Avx512Vbmi.IsSupported || DotProducts.WhyNot(DotProduct.Bytes) is not null)
        {
            Assert.Ignore("Every processor with AMX has AVX-512 with VBMI and VNNI; this one has not, or was told to leave them.");
        }
    }

    [Test]
    public void Sums_have_the_bits_of_the_kernels_in_csharp(
        [ValueSource(nameof(Encodings))] string name, [ValueSource(nameof(Instructions))] string instruction,
        [Values(1, 3, 5, 12, 13, 31)] int tokens, [Values] bool isWide)
    {
        DotProduct product = Products.Single(product => DotProducts.NameOf(product) == instruction);
        WeightEncoding encoding = WeightEncodings.All.Single(encoding => encoding.Name == name);
        int columns = isWide ? 2 * Columns : encoding.BlockColumns == 256 ? 256 : 96;
        TileForm form = AssembledPanelKernel.TileOf(encoding, product);
        var code = new InterpretedTileCode(form);
        PanelKernel managed = PanelKernel.OfVectors(encoding, TokensOf(product));
        byte[] rows = RowsOf(encoding, columns);
        using var panels = new PackedMatrix(AssembledPanelKernel.With(encoding, TokensOf(product), form, code), columns, rows);
        using var same = new PackedMatrix(managed, columns, rows);
        float[] input = RandomLayers.Rows(tokens, columns, 71);
        Assert.That(PanelProduct.Of(panels, input), Is.EqualTo(PanelProduct.Of(same, input)));

        // In each panel and block of columns, of tiles of one size once.
        var tiles = new TokenTiles(tokens, 12);
        int[] sizes = [.. Enumerable.Range(0, tiles.Count).Select(tiles.Size).Where(static size => size >= IntegerMatrixTile.FewestTokens)];
        int times = 2 * (isWide ? 2 : 1);
        Assert.That(code.Counts, Is.EqualTo((times * sizes.Length, times * sizes.Distinct().Count(), sizes.Length > 0 ? times : 0)));
    }

    [Test]
    public void Words_have_one_form_for_weights_of_4_and_of_8_bits_so_that_projections_may_differ()
    {
        TokenForm[] forms = [.. TileForm.All.Where(static form => form.Product == DotProduct.WordMatrices).Select(AssembledPanelKernel.FormOf).Distinct()];
        Assert.That(forms, Has.Length.EqualTo(1));
    }

    [Test]
    public void Words_are_their_upper_and_lower_bytes([ValueSource(nameof(Sizes))] byte size, [Values(1, 32, 77)] int columns)
    {
        TokenForm byToken = TokenForm.Words with { FewestByToken = 1 };
        for (int count = 1; count <= size; count++)
        {
            float[] rows = RandomLayers.Rows(count, columns, 83);
            using GuardedBuffer bytes = PackedTokens.Of(rows, count, size, columns, byToken);
            using GuardedBuffer words = PackedTokens.Of(rows, count, size, columns, TokenForm.Words);
            int groups = PanelFormat.Groups(columns), elements = byToken.GroupElements;
            for (int i = 0; i < groups * size * PanelFormat.GroupColumns; i++)
            {
                (int group, int token, int column) = (i / PanelFormat.GroupColumns / size, i / PanelFormat.GroupColumns % size, i % PanelFormat.GroupColumns);
                float* start = bytes.Pointer + (group * size * elements);
                byte* lanes = (byte*)(start + (token * byToken.Lanes));

                int at = (column / 4 * 4) + Array.IndexOf(ColumnsOfLane, column % 4);
                int word = (256 * (sbyte)lanes[at]) + lanes[at + PanelFormat.GroupColumns];
                short* pairs = (short*)(words.Pointer + (group * size * elements) + (column / 2 * size) + token);
                Assert.That(word, Is.EqualTo((int)pairs[column % 2]), $"{count} tokens of {size}: group {group}, token {token}, column {column}");
            }

            // Numbers lie as behind words.
            for (int group = 0; group < groups; group++)
            {
                int at = ((group * elements) + byToken.Lanes) * size, length = byToken.Numbers * size;
                Assert.That(bytes.Span.Slice(at, length).ToArray(), Is.EqualTo(words.Span.Slice(at, length).ToArray()));
            }
        }
    }

    [Test]
    public void Split_words_are_their_upper_and_lower_bytes_with_signs([Values(1, 2, 4)] int size, [Values(1, 32, 77)] int columns)
    {
        // Of eight columns.
        int[] columnsOfLanes = [0, 4, 1, 5, 2, 6, 3, 7];
        TokenForm split = TokenForm.SplitWords(4);
        for (int count = 1; count <= size; count++)
        {
            float[] rows = RandomLayers.Rows(count, columns, 84);
            using GuardedBuffer bytes = PackedTokens.Of(rows, count, size, columns, split);
            using GuardedBuffer words = PackedTokens.Of(rows, count, size, columns, TokenForm.Words);
            for (int group = 0; group < PanelFormat.Groups(columns); group++)
            {
                float* start = bytes.Pointer + (group * size * split.GroupElements);
                float* plain = words.Pointer + (group * size * TokenForm.Words.GroupElements);
                for (int token = 0; token < size; token++)
                {
                    int[] sums = [0, 0];
                    for (int column = 0; column < PanelFormat.GroupColumns; column++)
                    {
                        int at = (column / 8 * 8) + Array.IndexOf(columnsOfLanes, column % 8);
                        sbyte upper = ((sbyte*)(start + (at / 4 * size) + token))[at % 4], lower = ((sbyte*)(start + ((8 + (at / 4)) * size) + token))[at % 4];
                        int word = ((short*)(plain + (column / 2 * size) + token))[column % 2];
                        Assert.That((256 * upper) + lower, Is.EqualTo(word), $"{count} tokens of {size}: group {group}, token {token}, column {column}");
                        sums[column / 16] += word;
                    }

                    float* numbers = start + (16 * size) + token;
                    float* same = plain + (16 * size) + token;
                    Assert.That((numbers[0], numbers[size]), Is.EqualTo((same[0], same[size])));
                    Assert.That(((int*)numbers)[2 * size], Is.EqualTo(-128 * sums[0]));
                    Assert.That(((int*)numbers)[3 * size], Is.EqualTo(-128 * sums[1]));
                }
            }
        }
    }

    [Test]
    public void Halves_of_bytes_are_widened_to_the_panel_of_the_same_integers([Values(PanelGroupHead.Float32Scales, PanelGroupHead.BFloat16Scales)] object head)
    {
        var form = new TileForm(DotProduct.ByteMatrices, PanelWeights.Int4, (PanelGroupHead)head);
        string name = form.Head == PanelGroupHead.BFloat16Scales ? "int4" : "q4_0";
        PanelKernel four = PanelKernel.OfVectors(WeightEncodings.All.Single(encoding => encoding.Name == name), TokenType.Int8);
        using var panel = new PackedMatrix(four, Columns, RowsOf(four.Encoding, Columns));
        int groups = PanelFormat.Groups(Columns);
        using var widened = new GuardedBuffer(WidenedInt4.Bytes(form, groups) / sizeof(float), GuardSide.After);
        WidenedInt4.Write(form, new PanelColumns(panel.Panel(0), groups), (byte*)widened.Pointer);

        // As the kernel of 8 bits reads it.
        using var expected = new GuardedBuffer(Columns * four.Rows, GuardSide.After);
        using var actual = new GuardedBuffer(Columns * four.Rows, GuardSide.After);
        four.Unpack(panel.Panel(0), Columns, 0, groups, expected.Pointer, four.Rows);
        PanelKernel.OfVectors(WeightEncodings.Int8, TokenType.Int8).Unpack((byte*)widened.Pointer, Columns, 0, groups, actual.Pointer, four.Rows);
        Assert.That(actual.Span.ToArray(), Is.EqualTo(expected.Span.ToArray()));
    }

    private static byte[] RowsOf(WeightEncoding encoding, int columns)
    {
        if (encoding != WeightEncodings.Int8 && encoding != WeightEncodings.Int4)
        {
            return StoredCodes.RandomRows(encoding.Name, Rows, columns);
        }

        var encoder = new RowEncoder(encoding);
        var stage = new FfnStage(FfnKind.Linear, columns, Rows, false);
        byte[] rows = new byte[Rows * encoding.RowBytes(columns)];
        encoder.Read(
            new FfnMemoryWeights(FfnSpec.Stack(stage)).Set("layers.0.weight", RandomLayers.Rows(Rows, columns, 70)), FfnSpec.Stack(stage).Tensors[0], 0, rows);
        return rows;
    }
}
