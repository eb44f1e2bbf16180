using CommunityToolkit.HighPerformance;
using CsCheck;
using NativeFfn.Backends;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>What is refused before a backend sees a pointer; no backend is needed to ask.</summary>
public class RowsGuardTests
{
    private const int Width = 4;

    private static readonly FfnSpec Network = FfnSpec.Create(FfnKind.SwiGlu, Width, 8);
    private static readonly FfnSpec Narrowing = FfnSpec.Stack(new FfnStage(FfnKind.Relu, Width, 6, false), new FfnStage(FfnKind.Linear, 6, 2, false));

    [TestCase(5, 4, "input")]
    [TestCase(4, 3, "output")]
    public void Rows_of_another_width_are_named(int inputWidth, int outputWidth, string name)
    {
        ArgumentException refusal = Refusal<ArgumentException>(Network, Fresh(2, inputWidth), Fresh(2, outputWidth));
        Assert.That(refusal.Message, Does.StartWith(name).And.Contain("needs 4"));
    }

    [Test]
    public void Rows_that_are_more_or_fewer_than_the_input_are_named()
    {
        ArgumentException output = Refusal<ArgumentException>(Network, Fresh(2), Fresh(3));
        ArgumentException residual = Refusal<ArgumentException>(Network, Fresh(2), Fresh(2), Fresh(1));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output.Message, Does.Contain("output has 3 rows").And.Contain("input has 2"));
            Assert.That(residual.Message, Does.Contain("residual has 1 rows").And.Contain("input has 2"));
        }
    }

    [Test]
    public void No_rows_are_fine() => Assert.DoesNotThrow(() => Check(Network, Fresh(0), Fresh(0), Fresh(0)));

    [Test]
    public unsafe void Rows_a_byte_apart_are_not_the_same_rows()
    {
        byte* bytes = stackalloc byte[64];
        var input = new Span2D<float>(bytes, 2, Width, 0);
        var shifted = new Span2D<float>(bytes + 1, 2, Width, 0);
        string message = string.Empty;
        try
        {
            FfnRowsGuard.Check(Network, new FfnRows { Input = input, Output = shifted });
        }
        catch (ArgumentException refusal)
        {
            message = refusal.Message;
        }

        Assert.That(message, Does.Contain("overlaps input"));
    }

    // Offsets of input, residual and output in one buffer: three packed rows each, 12 elements.
    [TestCase(0, 100, 0, null)]
    [TestCase(0, 100, 100, null)]
    [TestCase(0, 0, 0, null)]
    [TestCase(0, 12, 24, null)]
    [TestCase(0, 100, 12, null)]
    [TestCase(0, 100, 11, "input")]
    [TestCase(0, 100, 1, "input")]
    [TestCase(12, 100, 1, "input")]
    [TestCase(0, 100, 4, "input")]
    [TestCase(100, 0, 11, "residual")]
    [TestCase(100, 13, 2, "residual")]
    public void Overlap_in_part_is_refused_by_name(int input, int residual, int output, string? refused)
    {
        float[] buffer = new float[200];
        Memory2D<float> Rows(int offset) => new(buffer, offset, 3, Width, 0);
        if (refused is null)
        {
            Assert.DoesNotThrow(() => Check(Network, Rows(input), Rows(output), Rows(residual)));
        }
        else
        {
            ArgumentException refusal = Refusal<ArgumentException>(Network, Rows(input), Rows(output), Rows(residual));
            Assert.That(refusal.Message, Does.Contain($"overlaps {refused}"));
        }
    }

    [Test]
    public void Rows_of_another_width_cannot_run_in_place()
    {
        float[] buffer = new float[8];
        ArgumentException refusal = Refusal<ArgumentException>(
            Narrowing, new Memory2D<float>(buffer, 2, Width), new Memory2D<float>(buffer, 0, 2, 2, 0));
        Assert.That(refusal.Message, Does.Contain("overlaps input"));
    }

    [Test]
    public void A_block_needs_a_layer_that_has_one()
    {
        NotSupportedException narrow = Refusal<NotSupportedException>(Narrowing, Fresh(2), Fresh(2, 2), mode: FfnMode.Block);
        NotSupportedException without = Refusal<NotSupportedException>(
            Network.WithoutBlock("its norm is somewhere else."), Fresh(2), Fresh(2), mode: FfnMode.Block);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(narrow.Message, Does.Contain("4 elements into 2"));
            Assert.That(without.Message, Does.Contain("its norm is somewhere else."));
        }
    }

    [Test]
    public void An_unknown_mode_is_refused() => Refusal<ArgumentOutOfRangeException>(Network, Fresh(1), Fresh(1), mode: (FfnMode)9);

    [Test]
    public void A_trace_for_something_else_is_refused()
    {
        ArgumentException tokens = Refusal<ArgumentException>(Network, Fresh(2), Fresh(2), trace: new FfnTrace(Network, 3));
        ArgumentException layer = Refusal<ArgumentException>(
            Network, Fresh(2), Fresh(2), trace: new FfnTrace(FfnSpec.Create(FfnKind.SwiGlu, Width, 9), 2));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tokens.Message, Does.Contain("3 tokens").And.Contain("has 2"));
            Assert.That(layer.Message, Does.Contain("4x9").And.Contain("4x8"));
        }
    }

    [Test]
    public void Whatever_is_accepted_shares_all_elements_or_none() =>
        Gen.Select(Gen.Int[0, 40], Gen.Int[0, 6], Gen.Int[0, 40], Gen.Int[0, 6], Gen.Int[1, 4])
            .Sample((inputOffset, inputGap, outputOffset, outputGap, tokens) =>
            {
                float[] buffer = new float[128];
                HashSet<int> read = Elements(inputOffset, inputGap, tokens);
                HashSet<int> written = Elements(outputOffset, outputGap, tokens);
                bool accepted = Accepts(
                    new Memory2D<float>(buffer, inputOffset, tokens, Width, inputGap),
                    new Memory2D<float>(buffer, outputOffset, tokens, Width, outputGap));

                // Rows at different distances may miss each other and still be refused; with one distance the answer is exact.
                return read.Overlaps(written) ? accepted == read.SetEquals(written) : accepted || inputGap != outputGap;
            });

    private static HashSet<int> Elements(int offset, int gap, int tokens) =>
        [.. Enumerable.Range(0, tokens).SelectMany(t => Enumerable.Range(offset + (t * (Width + gap)), Width))];

    private static bool Accepts(Memory2D<float> input, Memory2D<float> output)
    {
        try
        {
            Check(Network, input, output);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static Memory2D<float> Fresh(int tokens, int width = Width) => new(new float[tokens * width], tokens, width);

    private static TException Refusal<TException>(
        FfnSpec spec, Memory2D<float> input, Memory2D<float> output, Memory2D<float>? residual = null, FfnMode mode = FfnMode.Ffn, FfnTrace? trace = null)
        where TException : Exception => Assert.Throws<TException>(() => Check(spec, input, output, residual, mode, trace))!;

    // A residual makes it a residual forward.
    private static void Check(
        FfnSpec spec, Memory2D<float> input, Memory2D<float> output, Memory2D<float>? residual = null, FfnMode mode = FfnMode.Ffn, FfnTrace? trace = null) =>
        FfnRowsGuard.Check(spec, new FfnRows
        {
            Input = input.Span,
            Output = output.Span,
            Residual = residual is null ? default : residual.Value.Span,
            Mode = residual is null ? mode : FfnMode.Residual,
            Trace = trace,
        });
}
