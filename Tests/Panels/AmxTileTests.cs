using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Iced.Intel;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;
using NativeFfn.Bench.Ceiling;
using NativeFfn.Bindings.Processors;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Tiles by AMX, interpreted where no processor has it.</summary>
public sealed unsafe class AmxTileTests
{
    private const int Rows = 32;
    private const int Lines = 3;
    private const int Unit = 24;

    private static readonly DotProduct[] Products = [DotProduct.BFloat16Matrices, DotProduct.ByteMatrices, DotProduct.WordMatrices];

    private static IEnumerable<byte> Sizes => TokenTiles.Sizes.ToArray();

    [Test]
    public void A_tile_adds_the_products_of_a_panel_and_touches_nothing_else(
        [ValueSource(nameof(Sizes))] byte size, [Values(1, 3, 16)] int steps, [Values] bool accumulates, [Values] bool ofWindows)
    {
        int columns = steps * PanelFormat.GroupColumns;
        float[] weights = BFloat16(RandomLayers.Rows(Rows, columns, 80));
        float[] rows = BFloat16(RandomLayers.Rows(size, columns, 81));
        float[] before = RandomLayers.Rows(size, Rows, 82);
        using var panel = new PackedMatrix(PanelKernels.Of(512, WeightEncodings.BFloat16, TokenType.BFloat16), columns, weights);
        using GuardedBuffer tokens = PackedTokens.Of(rows, size, size, columns, AssembledPanelKernel.FormOf(TileForm.BFloat16Matrices));
        using GuardedBuffer sums = GuardedBuffer.Of(before, GuardSide.After);
        var code = new TileInterpreter();
        code.Allow(panel.Panel(0), panel.Kernel.PanelBytes(columns), isWritable: false);
        code.Allow(tokens.Pointer, tokens.Length * sizeof(float), isWritable: false);
        code.Allow(sums.Pointer, sums.Length * sizeof(float), isWritable: true);
        const ulong next = 64;
        TileArguments arguments = default;
        arguments.Steps = steps;
        arguments.Weights = panel.Panel(0);
        arguments.Tokens = tokens.Pointer;
        arguments.Sums = sums.Pointer;
        arguments.Next = (byte*)next;
        arguments.Lines = Lines;
        arguments.Accumulate = accumulates ? 1 : 0;
        code.Allow(&arguments, sizeof(TileArguments), isWritable: false);
        code.Allow(arguments.Saved, TileAssembler.SavedVectors * TileAssembler.SavedBytes, isWritable: true);
        code.RunTile(TileForm.BFloat16Matrices, size, ofWindows ? TileConvention.Windows : TileConvention.SystemV, &arguments);

        Assert.That(code.Products, Is.EqualTo(2 * steps));
        Assert.That(code.Asked, Is.EqualTo(Enumerable.Range(0, Lines * steps).Select(line => next + ((ulong)line * 64))));
        for (int token = 0; token < size; token++)
        {
            for (int row = 0; row < Rows; row++)
            {
                double sum = accumulates ? before[(token * Rows) + row] : 0;
                double absolute = Math.Abs(sum);
                for (int column = 0; column < columns; column++)
                {
                    double product = (double)weights[(row * columns) + column] * rows[(token * columns) + column];
                    sum += product;
                    absolute += Math.Abs(product);
                }

                // 16 sums within a step, one of both halves, one a step.
                double tolerance = ((PanelFormat.GroupColumns / 2) + 1 + steps) * Math.ScaleB(absolute, -Unit);
                Assert.That(sums.Span[(token * Rows) + row], Is.EqualTo(sum).Within(tolerance), $"token {token}, row {row}");
            }
        }
    }

    [Test]
    public void The_loop_that_measures_an_instruction_repeats_it_and_ends([ValueSource(nameof(Products))] object product)
    {
        const int turns = 3;
        var code = new TileInterpreter();
        Register argument = OperatingSystem.IsWindows() ? Register.RCX : Register.RDI;
        code.Run(DotProductLoop.BytesOf((DotProduct)product), argument, (void*)turns);
        Assert.That(code.HasTiles, Is.False);
        Assert.That(code.Products, Is.EqualTo(6 * turns));
    }

    [Test]
    public void Tokens_lie_one_after_the_other_in_each_group([ValueSource(nameof(Sizes))] byte size, [Values(1, 32, 77)] int columns)
    {
        int lanes = PanelFormat.GroupColumns / 2;
        for (int count = 1; count <= size; count++)
        {
            float[] rows = RandomLayers.Rows(count, columns, 83);
            using GuardedBuffer byToken = PackedTokens.Of(rows, count, size, columns, TokenForm.BFloat16ByToken);
            using GuardedBuffer byLane = PackedTokens.Of(rows, count, size, columns, TokenForm.BFloat16);
            for (int i = 0; i < byToken.Length; i++)
            {
                (int group, int token, int lane) = (i / (size * lanes), i / lanes % size, i % lanes);
                int same = (((group * lanes) + lane) * size) + token;
                if (BitConverter.SingleToInt32Bits(byToken.Span[i]) != BitConverter.SingleToInt32Bits(byLane.Span[same]))
                {
                    Assert.Fail($"{count} tokens of {size}: group {group}, token {token}, lane {lane}.");
                }
            }
        }
    }

    [TestCase(TokenType.BFloat16, DotProduct.BFloat16Matrices, DotProduct.BFloat16)]
    [TestCase(TokenType.Int8, DotProduct.ByteMatrices, DotProduct.Bytes)]
    [TestCase(TokenType.Int16, DotProduct.WordMatrices, DotProduct.Words)]
    public void A_processor_without_the_instruction_is_a_reason_and_leaves_the_one_for_vectors(object tokens, object matrices, object vectors)
    {
        DotProduct? product = AssembledPanelKernel.ProductOf((TokenType)tokens);
        if (DotProducts.WhyNot((DotProduct)matrices) is not { } reason)
        {
            Assert.That(product, Is.EqualTo(matrices));
            return;
        }

        Assert.That(reason, Does.Match(@"^[^.]+\.$|^the system refuses it: .+\.$"), "one clause");
        Assert.That(product, Is.EqualTo(vectors));
    }

    [Test]
    public void A_system_that_does_not_keep_the_registers_is_a_reason()
    {
        const ulong all = 0x600E7;
        Assert.That(AmxState.WhyNot(isTold: false, static () => throw new InvalidOperationException("It is no instruction."), Never), Does.Contain("does not keep"));
        Assert.That(AmxState.WhyNot(isTold: true, static () => all & ~(1UL << 17), Never), Does.Contain("does not keep"));
        Assert.That(AmxState.WhyNot(isTold: true, static () => all & ~(1UL << 18), Never), Does.Contain("does not keep"));
        Assert.That(
            AmxState.WhyNot(isTold: true, static () => all, static () => throw new Win32Exception(28, "arch_prctl: No space left")),
            Is.EqualTo("the system refuses it: arch_prctl: No space left."));
        Assert.That(AmxState.WhyNot(isTold: true, static () => all, static () => { }), Is.Null);

        static void Never() => Assert.Fail("Nothing is to be asked for.");
    }

    [Test]
    public void The_states_that_the_system_keeps_are_read()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64 || !AmxState.IsTold)
        {
            Assert.Ignore("This processor does not tell.");
        }

        // The x87, SSE and AVX registers; of AVX-512 the masks and both parts of its vectors.
        ulong expected = Vector512.IsHardwareAccelerated ? 0xE7u : Avx.IsSupported ? 0x7u : 0x3u;
        Assert.That(AmxState.Enabled() & expected, Is.EqualTo(expected));
    }

    [Test]
    [Platform("Linux")]
    public void Registers_that_the_processor_lacks_are_refused_by_name()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64 || (AmxState.IsTold && (AmxState.Enabled() & (3UL << 17)) != 0))
        {
            Assert.Ignore("The processor has them, or has no x86-64.");
        }

        Assert.That(
            ProcessorState.AskForTiles,
            Throws.TypeOf<Win32Exception>().With.Message.StartsWith("arch_prctl(ARCH_REQ_XCOMP_PERM): "));
    }

    private static float[] BFloat16(float[] numbers) => Array.ConvertAll(numbers, static x => (float)NumberFormat.BFloat16.Round(x));
}
