using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>prepare_operand, prepare_vector and prepare_rows.</summary>
public class InputKernelTests(string precision) : KernelTests(precision)
{
    private const string Operand = "prepare_operand";
    private const string Vector = "prepare_vector";
    private const string Rows = "prepare_rows";

    [Test]
    public void Rows_are_normed_rounded_and_padded([Values] KernelNormCase norm, [Values(Operand, Vector, Rows)] string kernel)
    {
        foreach (int width in Widths)
        {
            Check(kernel, width, tokens: 3, more: width % 5, norm, static (random, _, _) => (random.NextDouble() * 8) - 3);
        }
    }

    [Test]
    public void Any_number_of_tokens_is_prepared([Values(Operand, Vector, Rows)] string kernel)
    {
        for (int tokens = 0; tokens <= 9; tokens++)
        {
            Check(kernel, width: 35, tokens, more: 1, KernelNormCase.Rms, static (random, _, _) => random.NextDouble());
        }
    }

    [TestCase(double.NaN)]
    [TestCase(double.PositiveInfinity)]
    [TestCase(double.NegativeInfinity)]
    [TestCase(0)]
    [TestCase(1e-44)]
    [TestCase(1e-39)]
    [TestCase(6e-8)]
    [TestCase(3e38)]
    [TestCase(-66000)]
    public void A_row_may_hold_anything(double special)
    {
        Check(
            Operand, width: 33, tokens: 3, more: 0, KernelNormCase.None,
            (_, token, column) => token == 1 && column != 32 ? special : token + column);
        Check(Operand, width: 33, tokens: 3, more: 0, KernelNormCase.None, (_, token, _) => token == 1 ? special : token);
        Check(Vector, width: 33, tokens: 3, more: 0, KernelNormCase.None, (_, token, column) => token == 1 && column == 32 ? special : token);
    }

    [Test]
    public void One_not_finite_number_makes_a_norm_not_a_number([Values(KernelNormCase.Rms, KernelNormCase.Layer)] KernelNormCase norm) =>
        Check(Vector, width: 300, tokens: 2, more: 0, norm, static (_, token, column) => token == 1 && column == 299 ? double.NaN : column);

    private void Check(string kernel, int width, int tokens, int more, KernelNormCase normCase, Func<Random, int, int, double> value)
    {
        var random = new Random(width);
        int padded = PaddedTo16(width);
        NumberFormat format = kernel switch { Operand => Precision.Operand, Vector => Precision.Vector, _ => NumberFormat.Float32 };
        bool isScaled = kernel == Operand && Precision.IsScaled;
        KernelRows input = Own(KernelRows.OfCaller(tokens, width, width + more, more % 2 == 0 ? GuardSide.After : GuardSide.Before))
            .Set((token, column) => value(random, token, column));
        KernelRows output = Own(KernelRows.Own(format, tokens, padded, 16 * (more % 2)));
        KernelRows scales = Own(KernelRows.OfCaller(1, tokens, tokens, GuardSide.After));
        using var norm = new NormOracle(normCase, width, random);
        Launch(kernel, tokens, 1, new InputArguments
        {
            Input = input.Pointer,
            InputStride = input.Stride,
            Output = output.Pointer,
            OutputStride = output.Stride,
            TokenScales = isScaled ? scales.Pointer : 0,
            Norm = norm.Arguments,
            Width = width,
            PaddedWidth = padded,
        });

        for (int token = 0; token < tokens; token++)
        {
            double[] expected = norm.Of([.. Enumerable.Range(0, width).Select(column => input[token, column])]);
            double scale = isScaled ? scales[0, token] : 1;
            double largest = LargestFinite(expected);
            double error = normCase == KernelNormCase.None ? 0 : Tolerances.OfKernel(largest);
            if (isScaled)
            {
                TokenScale.AssertScale(scale, expected, error);
                error += Tolerances.OfKernel(largest) * Tolerances.Gelu;
            }

            for (int column = 0; column < padded; column++)
            {
                double wanted = column < width ? expected[column] / scale : 0;
                AssertRounded(format, output[token, column], wanted, error / scale, () => $"{kernel} width {width} token {token} of {tokens} column {column}");
            }
        }

        output.AssertUntouchedPast(padded);
    }
}
