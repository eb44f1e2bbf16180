using System.Runtime.InteropServices;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>gather_rows and combine_experts.</summary>
public unsafe class ExpertKernelTests(string precision) : KernelTests(precision)
{
    [Test]
    public void A_row_is_its_tokens([Values(0, 1, 7)] int rows)
    {
        foreach (int width in Widths)
        {
            CheckGathered(width, rows);
        }
    }

    [Test]
    public void Results_are_added_best_first([Values(1, 3)] int topK, [Values] bool isShared, [Values] bool isGated, [Values] bool hasResidual)
    {
        foreach (int width in Widths)
        {
            Check(width, tokens: 3, topK, isShared, isGated, hasResidual, inPlace: hasResidual && width % 2 == 1);
        }
    }

    [Test]
    public void Any_number_of_tokens_is_combined()
    {
        for (int tokens = 0; tokens <= 9; tokens++)
        {
            Check(width: 35, tokens, topK: 2, isShared: true, isGated: true, hasResidual: true, inPlace: false);
        }
    }

    private void CheckGathered(int width, int rows)
    {
        const int Tokens = 5;
        var random = new Random(width);
        KernelRows input = Own(KernelRows.OfCaller(Tokens, width, width + (width % 3), width % 2 == 0 ? GuardSide.After : GuardSide.Before))
            .Set((_, _) => random.NextDouble());
        KernelRows output = Own(KernelRows.OfCaller(rows, width, PaddedTo16(width), GuardSide.After));
        int[] tokens = [.. Enumerable.Range(0, rows).Select(_ => random.Next(Tokens))];
        using GuardedBuffer sent = Words(tokens);
        Launch("gather_rows", rows, 1, new GatherArguments
        {
            Input = input.Pointer,
            InputStride = input.Stride,
            Tokens = (nint)sent.Pointer,
            Output = output.Pointer,
            OutputStride = output.Stride,
            Width = width,
        });
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < width; column++)
            {
                Assert.That(output.Bits(row, column), Is.EqualTo(input.Bits(tokens[row], column)), $"width {width} row {row} column {column}");
            }
        }

        output.AssertUntouchedPast(width);
    }

    private void Check(int width, int tokens, int topK, bool isShared, bool isGated, bool hasResidual, bool inPlace)
    {
        var random = new Random(width);
        double Value(int row, int column) => (random.NextDouble() * 6) - 2;
        int stride = PaddedTo16(width);
        KernelRows results = Own(KernelRows.OfCaller(tokens * topK, width, stride, GuardSide.After)).Set(Value);
        KernelRows shared = Own(KernelRows.OfCaller(tokens, width, stride, GuardSide.After)).Set(Value);
        KernelRows residual = Own(KernelRows.OfCaller(tokens, width, width + 1, GuardSide.Before)).Set(Value);
        KernelRows output = inPlace ? residual : Own(KernelRows.OfCaller(tokens, width, width + 3, GuardSide.After));
        KernelRows weights = Own(KernelRows.OfCaller(1, tokens * topK, tokens * topK, GuardSide.After)).Set(Value);
        KernelRows gates = Own(KernelRows.OfCaller(1, tokens, tokens, GuardSide.After)).Set(Value);
        int[] order = [.. Enumerable.Range(0, tokens * topK)];
        random.Shuffle(order);
        using GuardedBuffer where = Words(order);
        var expected = new double[tokens, width];
        var magnitudes = new double[tokens, width];
        for (int i = 0; i < tokens * width; i++)
        {
            (int token, int column) = (i / width, i % width);
            double[] terms =
            [
                .. Enumerable.Range(token * topK, topK).Select(route => weights[0, route] * results[order[route], column]),
                isShared ? (isGated ? gates[0, token] : 1) * shared[token, column] : 0,
                hasResidual ? residual[token, column] : 0,
            ];
            (expected[token, column], magnitudes[token, column]) = (terms.Sum(), terms.Sum(Math.Abs));
        }

        Launch("combine_experts", tokens, 1, new CombineArguments
        {
            Results = results.Pointer,
            ResultStride = results.Stride,
            Rows = (nint)where.Pointer,
            Weights = weights.Pointer,
            Shared = isShared ? shared.Pointer : 0,
            SharedStride = shared.Stride,
            SharedWeights = isGated ? gates.Pointer : 0,
            Residual = hasResidual ? residual.Pointer : 0,
            ResidualStride = hasResidual ? residual.Stride : 0,
            Output = output.Pointer,
            OutputStride = output.Stride,
            TopK = topK,
            Width = width,
        });
        for (int token = 0; token < tokens; token++)
        {
            for (int column = 0; column < width; column++)
            {
                AssertRounded(
                    NumberFormat.Float32, output[token, column], expected[token, column], Tolerances.OfKernel(magnitudes[token, column]),
                    () => $"width {width} token {token} of {tokens} column {column}");
            }
        }

        output.AssertUntouchedPast(width);
    }

    private static GuardedBuffer Words(int[] words) => GuardedBuffer.Of(MemoryMarshal.Cast<int, float>(words.AsSpan()), GuardSide.After);
}
