using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>widen_operand.</summary>
public class WidenKernelTests(string precision) : KernelTests(precision)
{
    [Test]
    public void Operands_are_widened([Range(0, 9, 3)] int tokens, [Values] bool scaled)
    {
        foreach (int width in Widths)
        {
            Check(width, tokens, scaled);
        }
    }

    private void Check(int width, int tokens, bool scaled)
    {
        var random = new Random(width);
        KernelRows operand = Own(KernelRows.Own(Precision.Operand, tokens, PaddedTo16(width), 16 * (width % 2)))
            .Set((_, _) => (random.NextDouble() * 20) - 10);
        KernelRows scales = Own(KernelRows.OfCaller(1, tokens, tokens, GuardSide.After)).Set((_, token) => token + 0.7);
        KernelRows output = Own(KernelRows.OfCaller(tokens, width, width, width % 2 == 0 ? GuardSide.After : GuardSide.Before));
        Launch("widen_operand", 1 + (width % 3), tokens, new WidenArguments
        {
            Operand = operand.Pointer,
            Stride = operand.Stride,
            TokenScales = scaled ? scales.Pointer : 0,
            Output = output.Pointer,
            Width = width,
        });
        for (int token = 0; token < tokens; token++)
        {
            for (int column = 0; column < width; column++)
            {
                double expected = operand[token, column] * (scaled ? scales[0, token] : 1);
                AssertRounded(NumberFormat.Float32, output[token, column], expected, 0, () => $"width {width} token {token} column {column}");
            }
        }
    }
}
