using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>finish.</summary>
public class FinishKernelTests(string precision) : KernelTests(precision)
{
    /// <summary>Which rows are the same memory.</summary>
    public enum Aliasing
    {
        None,
        ProductIsOutput,
        ResidualIsOutput,
        All,
    }

    [Test]
    public void Every_pair_of_norms_is_computed([Values] KernelNormCase branch, [Values] KernelNormCase post)
    {
        foreach (int width in Widths)
        {
            Check(width, tokens: 2, branch, post, extras: (width + (int)branch + (int)post) % 8, hasResidual: true, Aliasing.None);
        }
    }

    [Test]
    public void Rows_may_be_the_same_memory(
        [Values] Aliasing aliasing, [Values(KernelNormCase.None, KernelNormCase.LayerWithBias)] KernelNormCase norm)
    {
        foreach (int width in Widths)
        {
            Check(width, tokens: 2, norm, norm, extras: 7, hasResidual: true, aliasing);
        }
    }

    [Test]
    public void Bias_scales_and_residual_are_each_optional([Range(0, 7)] int extras, [Values] bool hasResidual)
    {
        foreach (int width in Widths)
        {
            Check(width, tokens: 2, KernelNormCase.None, KernelNormCase.None, extras, hasResidual, Aliasing.ProductIsOutput);
        }
    }

    [Test]
    public void Any_number_of_tokens_is_finished()
    {
        for (int tokens = 0; tokens <= 9; tokens++)
        {
            Check(width: 35, tokens, KernelNormCase.Rms, KernelNormCase.None, extras: 5, hasResidual: true, Aliasing.ProductIsOutput);
        }
    }

    [Test]
    public void What_is_not_finite_goes_through()
    {
        KernelRows rows = Own(KernelRows.OfCaller(1, 4, 4, GuardSide.After))
            .Set(static (_, column) => column switch { 0 => double.NaN, 1 => double.PositiveInfinity, 2 => double.NegativeInfinity, _ => 3e38 });
        KernelRows residual = Own(KernelRows.OfCaller(1, 4, 4, GuardSide.After)).Set(static (_, column) => column == 3 ? 3e38 : 1);
        Launch("finish", 1, 1, new FinishArguments
        {
            Product = rows.Pointer,
            Output = rows.Pointer,
            Residual = residual.Pointer,
            Width = 4,
        });
        Assert.That(
            new[] { rows[0, 0], rows[0, 1], rows[0, 2], rows[0, 3] },
            Is.EqualTo(new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.PositiveInfinity }));
    }

    private void Check(
        int width, int tokens, KernelNormCase branchCase, KernelNormCase postCase, int extras, bool hasResidual, Aliasing aliasing)
    {
        var random = new Random(width);
        double Value(int row, int column) => (random.NextDouble() * 6) - 2;
        bool isShared = aliasing != Aliasing.None;
        KernelRows Rows(int more) =>
            Own(KernelRows.OfCaller(tokens, width, width + more, more % 2 == 0 ? GuardSide.After : GuardSide.Before)).Set(Value);
        KernelRows product = Rows(isShared ? 3 : 2);
        KernelRows output = aliasing is Aliasing.ProductIsOutput or Aliasing.All ? product : Rows(3);
        KernelRows residual = aliasing is Aliasing.ResidualIsOutput or Aliasing.All ? output : Rows(width % 4);
        KernelRows bias = Own(KernelRows.Padded([.. Enumerable.Range(0, width).Select(_ => random.NextDouble())]));
        KernelRows channelScales = Own(KernelRows.Padded([.. Enumerable.Range(0, width).Select(_ => random.NextDouble() + 0.5)]));
        KernelRows tokenScales = Own(KernelRows.OfCaller(1, tokens, tokens, GuardSide.After)).Set((_, _) => random.NextDouble() + 0.5);
        using var branch = new NormOracle(branchCase, width, random);
        using var post = new NormOracle(postCase, width, random);

        var expected = new double[tokens][];
        var magnitudes = new double[tokens];
        for (int token = 0; token < tokens; token++)
        {
            double[] scaled =
            [
                .. Enumerable.Range(0, width).Select(column =>
                    (product[token, column]
                        * ((extras & 2) == 0 ? 1 : channelScales[0, column]) * ((extras & 4) == 0 ? 1 : tokenScales[0, token]))
                    + ((extras & 1) == 0 ? 0 : bias[0, column])),
            ];
            double[] joined = [.. branch.Of(scaled).Select((value, column) => value + (hasResidual ? residual[token, column] : 0))];
            expected[token] = post.Of(joined);

            // A norm may magnify by the inverse of its root, which is small where a row is of one element or nearly constant.
            magnitudes[token] = Magnified(branchCase, scaled) * Magnified(postCase, joined)
                * expected[token].Concat(joined).Concat(scaled).Max(Math.Abs);
        }

        Launch("finish", tokens, 1, new FinishArguments
        {
            Product = product.Pointer,
            ProductStride = product.Stride,
            Bias = (extras & 1) == 0 ? 0 : bias.Pointer,
            ChannelScales = (extras & 2) == 0 ? 0 : channelScales.Pointer,
            TokenScales = (extras & 4) == 0 ? 0 : tokenScales.Pointer,
            Residual = hasResidual ? residual.Pointer : 0,
            ResidualStride = hasResidual ? residual.Stride : 0,
            Output = output.Pointer,
            OutputStride = output.Stride,
            Branch = branch.Arguments,
            Post = post.Arguments,
            Width = width,
        });
        for (int token = 0; token < tokens; token++)
        {
            for (int column = 0; column < width; column++)
            {
                AssertRounded(
                    NumberFormat.Float32, output[token, column], expected[token][column], Tolerances.OfKernel(magnitudes[token]),
                    () => $"width {width} token {token} of {tokens} column {column}");
            }
        }

        output.AssertUntouchedPast(width);
    }

    private static double Magnified(KernelNormCase norm, double[] row)
    {
        if (norm == KernelNormCase.None)
        {
            return 1;
        }

        double mean = norm.Kind() == KernelNorm.Layer ? row.Average() : 0;
        return Math.Max(1, 2 / Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + 1e-3));
    }
}
