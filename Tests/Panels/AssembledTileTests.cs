using System.Collections.Immutable;
using System.ComponentModel;
using Iced.Intel;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>The assembled tiles as instructions, for both systems, and as numbers beside the kernels in C#.</summary>
public sealed class AssembledTileTests
{
    private const int Rows = 37;

    private static readonly FfnPrecision[] Integers = [FfnPrecision.Int8, FfnPrecision.Int4, FfnPrecision.W8A8, FfnPrecision.W4A8];

    // With scales alone, with offsets, and with scales for each half of a group.
    private static readonly string[] Stored = ["q8_0", "q4_0", "q4_1", "q5_1", "q6_k", "q3_k"];

    private static readonly Mnemonic[] Dots = [Mnemonic.Vdpbf16ps, Mnemonic.Vpdpbusd, Mnemonic.Vpdpwssd];

    // What a function may not change without giving it back.
    private static readonly Register[] KeptBySystemV =
        [Register.RBX, Register.RBP, Register.RSP, Register.R12, Register.R13, Register.R14, Register.R15];

    private static readonly Register[] KeptByWindows = [.. KeptBySystemV, Register.RSI, Register.RDI];

    private static IEnumerable<string> Forms => TileForm.All.Select(static form => form.ToString());

    private static IEnumerable<string> FormsOfVectors =>
        TileForm.All.Where(static form => !form.IsOfMatrices).Select(static form => form.ToString());

    private static IEnumerable<string> Products => Enum.GetValues<DotProduct>().Select(DotProducts.NameOf);

    private static TileForm Form(string name) => TileForm.All.Single(form => form.ToString() == name);

    private static TileConvention Convention(bool ofWindows) => ofWindows ? TileConvention.Windows : TileConvention.SystemV;

    private static ImmutableArray<Instruction> Decode(TileForm form, TileShape shape, TileConvention convention)
    {
        var decoder = Decoder.Create(64, TileCode.BytesOf(form, shape, convention));
        return [.. decoder];
    }

    [Test]
    public void A_tile_has_a_dot_product_for_each_lane_token_and_half_of_the_rows(
        [ValueSource(nameof(FormsOfVectors))] string name, [Values] bool ofWindows)
    {
        (TileForm form, TileConvention convention) = (Form(name), Convention(ofWindows));
        foreach (TileShape shape in TileCode.ShapesOf(form))
        {
            // Lanes of a token that a step multiplies, each by itself: pairs of bfloat16, four bytes or two words of a group of 32; of few tokens upper
            // and lower bytes of words by accumulators of their own.
            (Mnemonic dot, int lanes, int planes) = form.Product switch
            {
                DotProduct.BFloat16 => (Mnemonic.Vdpbf16ps, BFloat16Tile.PairsOfStep, 1),
                DotProduct.Bytes => (Mnemonic.Vpdpbusd, 8, 1),
                _ when shape.Stride <= 4 => (Mnemonic.Vpdpbusd, 8, 2),
                _ => (Mnemonic.Vpdpwssd, 16, 1),
            };
            ImmutableArray<Instruction> code = Decode(form, shape, convention);
            Assert.That(code.Where(static instruction => instruction.IsInvalid), Is.Empty);
            Assert.That(code[^1].Mnemonic, Is.EqualTo(Mnemonic.Ret));
            Instruction[] dots = [.. code.Where(static instruction => Dots.Contains(instruction.Mnemonic))];
            Assert.That(dots.Select(static instruction => instruction.Mnemonic), Is.All.EqualTo(dot));
            Assert.That(dots, Has.Length.EqualTo(2 * lanes * planes * shape.Tokens), $"{shape}");

            // Each accumulator takes part in each lane once, and never in the place of an operand.
            Assert.That(
                dots.GroupBy(static instruction => instruction.Op0Register).Select(static same => same.Count()),
                Is.EqualTo(Enumerable.Repeat(lanes, 2 * planes * shape.Tokens)));
            Register[] sums = [.. dots.Select(static instruction => instruction.Op0Register).Distinct()];
            Assert.That(dots.Where(one => sums.Contains(one.Op1Register) || sums.Contains(one.Op2Register)), Is.Empty);
        }
    }

    [Test]
    public void A_tile_changes_what_a_function_may_and_writes_its_sums_alone(
        [ValueSource(nameof(Forms))] string name, [Values] bool ofWindows)
    {
        (TileForm form, TileConvention convention) = (Form(name), Convention(ofWindows));
        Register[] kept = convention == TileConvention.Windows ? KeptByWindows : KeptBySystemV;
        var registers = new InstructionInfoFactory();
        foreach (TileShape shape in TileCode.ShapesOf(form))
        {
            ImmutableArray<Instruction> code = Decode(form, shape, convention);
            foreach (Instruction instruction in code.Where(static instruction => instruction.Mnemonic != Mnemonic.Ret))
            {
                InstructionInfo info = registers.GetInfo(instruction);
                Assert.That(
                    info.GetUsedRegisters().Where(used => IsWritten(used.Access) && kept.Contains(used.Register.GetFullRegister())), Is.Empty, $"{instruction}");
                Assert.That(
                    info.GetUsedMemory().Where(static used => IsWritten(used.Access)).Select(static used => used.Base),
                    Is.All.EqualTo(Register.R8).Or.EqualTo(Register.R11), $"{instruction}");
            }

            int saved = code.Count(static one => one.Mnemonic == Mnemonic.Vmovups && one is { Op0Kind: OpKind.Memory, MemoryBase: Register.R11 });
            int restored = code.Count(static one => one.Mnemonic == Mnemonic.Vmovups && one is { Op1Kind: OpKind.Memory, MemoryBase: Register.R11 });
            int expected = convention == TileConvention.Windows ? TileAssembler.SavedVectors : 0;
            Assert.That((saved, restored), Is.EqualTo((expected, expected)));
        }

        static bool IsWritten(OpAccess access) => access is OpAccess.Write or OpAccess.CondWrite or OpAccess.ReadWrite or OpAccess.ReadCondWrite;
    }

    [Test]
    public void Integers_have_the_bits_of_the_kernels_in_csharp(
        [ValueSource(nameof(Integers))] FfnPrecision precision, [Values(1, 33, 600)] int columns, [Range(1, 12)] int tokens)
    {
        PanelKernel assembled = Assembled(WeightEncodings.Of(precision)!, TokenTypes.Of(precision));
        PanelKernel managed = PanelKernel.OfVectors(WeightEncodings.Of(precision)!, TokenTypes.Of(precision));
        float[] weights = RandomLayers.Rows(Rows, columns, 70);
        float[] rows = RandomLayers.Rows(tokens, columns, 71);
        using var panels = new PackedMatrix(assembled, columns, weights);
        using var same = new PackedMatrix(managed, columns, weights);
        Assert.That(PanelProduct.Of(panels, rows), Is.EqualTo(PanelProduct.Of(same, rows)));
    }

    // With scales and offsets of all kinds, and tokens and weights at their ends.
    [Test]
    public void Stored_integers_have_them_too(
        [ValueSource(nameof(Stored))] string name, [Values] bool ofBytes, [Range(1, 7)] int tokens, [Values] bool isExtreme)
    {
        const int Columns = 512;
        WeightEncoding encoding = WeightEncodings.All.Single(encoding => encoding.Name == name);
        TokenType type = ofBytes ? TokenType.Int8 : TokenType.Int16;
        byte[] stored = StoredCodes.RandomRows(name, Rows, Columns);
        float[] rows = RandomLayers.Rows(tokens, Columns, 72);
        for (int i = 0; isExtreme && i < rows.Length; i++)
        {
            rows[i] = MathF.CopySign(3, i / Columns % 2 == 0 ? 1 : rows[i]);
        }

        using var panels = new PackedMatrix(Assembled(encoding, type), Columns, stored);
        using var same = new PackedMatrix(PanelKernel.OfVectors(encoding, type), Columns, stored);
        Assert.That(PanelProduct.Of(panels, rows), Is.EqualTo(PanelProduct.Of(same, rows)));
    }

    // Tiles of which the last is filled up, or among the smallest; six of them share weights that are unpacked once, more columns than at a time.
    [Test]
    public void Integers_of_several_tiles_have_them_too(
        [ValueSource(nameof(Integers))] FfnPrecision precision, [Values(1, 33, 600, 2100)] int columns, [Values(24, 31, 61, 67)] int tokens) =>
        Integers_have_the_bits_of_the_kernels_in_csharp(precision, columns, tokens);

    [Test]
    public void Stored_integers_of_several_tiles_have_them_too([ValueSource(nameof(Stored))] string name, [Values] bool ofBytes, [Values(62, 72)] int tokens) =>
        Stored_integers_have_them_too(name, ofBytes, tokens, isExtreme: false);

    [Test]
    public void Tiles_by_vectors_leave_out_the_tokens_that_fill_them([ValueSource(nameof(FormsOfVectors))] string name)
    {
        TileForm form = Form(name);
        int[] whole = [.. TileCode.ShapesOf(form).GroupBy(static shape => shape.Stride).Select(static same => same.Max(static shape => shape.Tokens))];
        Assert.That(TileCode.ShapesOf(form), Is.Unique);
        Assert.That(whole, Is.EqualTo(
            form.Product == DotProduct.BFloat16 ? (int[])[1, 2, 4, 6, 8, 12] : form.Weights == PanelWeights.Lanes ? [6, 4, 6] : [1, 2, 4, 6, 4, 6]));
        Assert.That(
            TileCode.ShapesOf(form).Where(static shape => shape.Stride == 4).Select(static shape => shape.Tokens),
            Is.EquivalentTo(form.Weights == PanelWeights.Lanes ? (int[])[] : [3, 4]));
    }

    [Test]
    public void Bfloat16_below_the_smallest_normal_number_counts_as_zero()
    {
        const int Columns = 40;
        using var panels = new PackedMatrix(
            Assembled(WeightEncodings.BFloat16, TokenType.BFloat16), Columns, [.. Enumerable.Repeat(1f, Rows * Columns)]);
        float[] rows = new float[2 * Columns];
        rows.AsSpan(0, Columns).Fill(1e-39f);
        rows.AsSpan(Columns).Fill(1.5e-38f);
        float[] sums = PanelProduct.Of(panels, rows);
        Assert.That(sums[..Rows], Is.All.Zero);
        Assert.That(sums[Rows..], Is.All.EqualTo((float)(Columns * NumberFormat.BFloat16.Round(1.5e-38f))).Within(1e-5).Percent);
    }

    [Test]
    public void Refused_memory_is_a_reason_and_no_error([ValueSource(nameof(Forms))] string name)
    {
        Require(Form(name).Product);
        TileCode code = TileCode.Assemble(Form(name), static _ => throw new Win32Exception(13, "mmap of executable memory: Permission denied"));
        Assert.That(code.WhyNot, Does.Contain("refuses executable memory").And.Contain("Permission denied"));
    }

    [Test]
    public void Code_that_cannot_be_used_is_not_assembled([ValueSource(nameof(Products))] string instruction)
    {
        TileForm form = TileForm.All.First(form => DotProducts.NameOf(form.Product) == instruction);
        DotProduct product = form.Product;
        if (DotProducts.WhyNot(product) is null)
        {
            Assert.Ignore("This machine can use it.");
        }

        Assert.That(
            TileCode.Assemble(form, static _ => throw new InvalidOperationException("Nothing is to be loaded.")).WhyNot,
            Is.EqualTo(DotProducts.WhyNot(product)));
    }

    private static PanelKernel Assembled(WeightEncoding encoding, TokenType tokens)
    {
        TileForm tile = AssembledPanelKernel.TileOf(encoding, tokens)!.Value;
        Require(tile.Product);
        Assert.That(
            PanelKernel.Of(encoding, tokens).Instruction,
            DotProducts.WhyUnused(tile.Product) is null ? Is.EqualTo(DotProducts.NameOf(tile.Product)) : Is.Null,
            "what can be assembled is, unless something is faster");

        // Whether or not this processor gains by it.
        return AssembledPanelKernel.With(
            encoding, tokens, tile, TileCode.Of(tile), tile.Product is DotProduct.Bytes or DotProduct.Words ? TileCode.Of(tile.OfLanes) : null);
    }

    private static void Require(DotProduct product)
    {
        if (DotProducts.WhyNot(product) is { } reason)
        {
            Assert.Ignore($"{DotProducts.NameOf(product)}: {reason}");
        }
    }
}
