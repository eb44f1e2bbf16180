using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Support;
using NUnit.Framework;
using static NativeFfn.Tests.Software.KernelFormulas;

namespace NativeFfn.Tests.Software;

/// <summary>The kernels in C# against their formulas in float64.</summary>
[NonParallelizable]
public sealed unsafe class SoftwareKernelTests
{
    private const int Tokens = 3;
    private const int Width = 21;
    private const int Padded = 32;

    // Of a few float32 operations on numbers around 1; the formats' own steps are added where rows are rounded.
    private const double Tolerance = 2e-6;

    [Test]
    public void Prepared_rows_are_normed_rounded_and_padded_with_zeros(
        [Values] bool isVector, [Range(0, 3)] int precision, [Range(0, 3)] int norm)
    {
        using var run = new KernelSession(precision);
        float[] input = Fractions(Tokens * 24, 1);
        float[] weight = Fractions(Width, 2);
        float[] bias = Fractions(Width, 3);
        NumberFormat number = isVector ? run.Precision.Vector : run.Precision.Operand;
        DeviceRegion output = run.Fresh(Tokens * Padded * number.Bytes);
        DeviceRegion scales = run.Fresh(Tokens * sizeof(float));
        run.Launch(isVector ? "prepare_vector" : "prepare_operand", Tokens, 1, new InputArguments
        {
            Input = run.Floats(input),
            InputStride = 24,
            Output = output.Address,
            OutputStride = Padded,
            TokenScales = number == NumberFormat.E4M3 ? scales.Address : 0,
            Norm = NormOf(norm, run.Floats(weight), norm == 3 ? run.Floats(bias) : 0, 0.25f),
            Width = Width,
            PaddedWidth = Padded,
        });
        float[] stored = run.Session.Read(number, output);
        float[] scale = run.Session.Read(NumberFormat.Float32, scales);
        for (int token = 0; token < Tokens; token++)
        {
            double[] row = Norm(norm, input.AsSpan(token * 24, Width), weight, norm == 3 ? bias : null, 0.25);
            double expectedScale = number == NumberFormat.E4M3 ? row.Max(Math.Abs) / 448 : 1;
            Assert.That(number == NumberFormat.E4M3 ? scale[token] : 1, Is.EqualTo(expectedScale).Within(1e-6 * expectedScale));
            for (int i = 0; i < Padded; i++)
            {
                double expected = i < Width ? row[i] : 0;
                double step = Step(number) * (Math.Abs(expected) + (number == NumberFormat.E4M3 ? Math.ScaleB(expectedScale, -6) : 0));
                Assert.That(
                    stored[(token * Padded) + i] * expectedScale,
                    Is.EqualTo(expected).Within(step + (Tolerance * (1 + Math.Abs(expected)))), $"column {i}");
            }
        }
    }

    [Test]
    public void Activated_rows_are_act_gate_times_up_of_scaled_products(
        [Range(0, 7)] int activation, [Values] bool gated, [Values(0, 1, 3)] int precision,
        [Values("activate_operand", "activate_result")] string kernel)
    {
        using var run = new KernelSession(precision);
        int parts = gated ? 2 : 1;
        NumberFormat format = run.Precision.Product;
        float[] product = run.Rounded(format, Fractions(Tokens * parts * Padded, 1), out nint productAddress);
        float[] bias = Fractions(parts * Padded, 2);
        float[] channelScales = Fractions(parts * Padded, 3);
        float[] tokenScales = Fractions(Tokens, 4);
        bool isResult = kernel == "activate_result";
        NumberFormat number = isResult ? NumberFormat.Float32 : run.Precision.Operand;
        int stride = isResult ? Width : Padded;
        DeviceRegion output = run.Fresh(Tokens * stride * number.Bytes);
        DeviceRegion outputScales = run.Fresh(Tokens * sizeof(float));
        run.Launch(kernel, 2, Tokens, new ActivationArguments
        {
            Product = productAddress,
            ProductStride = parts * Padded,
            Output = output.Address,
            OutputStride = stride,
            Bias = run.Floats(bias),
            ChannelScales = run.Floats(channelScales),
            TokenScales = run.Floats(tokenScales),
            OutputScales = number == NumberFormat.E4M3 ? outputScales.Address : 0,
            PaddedWidth = Padded,
            Width = Width,
            Kind = KindArguments.Of(new FfnKind(gated, Activation.All[activation])),
        });
        float[] stored = run.Session.Read(number, output);
        float[] scales = run.Session.Read(NumberFormat.Float32, outputScales);
        for (int token = 0; token < Tokens; token++)
        {
            double scale = number == NumberFormat.E4M3 ? scales[token] : 1;
            for (int i = 0; i < stride; i++)
            {
                double At(int column) =>
                    ((double)product[(token * parts * Padded) + column] * channelScales[column] * tokenScales[token]) + bias[column];
                double expected = i < Width ? ActivationFormulas[activation](At(i)) * (gated ? At(Padded + i) : 1) : 0;
                double step = Step(number) * (Math.Abs(expected) + (number == NumberFormat.E4M3 ? Math.ScaleB(scale, -6) : 0));
                Assert.That(
                    stored[(token * stride) + i] * scale, Is.EqualTo(expected).Within(step + (Tolerance * (1 + Math.Abs(expected)))),
                    $"column {i}");
            }
        }
    }

    [Test]
    public void A_trace_is_dense_and_has_every_part([Values] bool gated)
    {
        using var run = new KernelSession(0);
        int parts = gated ? 2 : 1;
        float[] product = run.Rounded(NumberFormat.Float32, Fractions(Tokens * parts * Padded, 1), out nint address);
        DeviceRegion[] outputs = [.. Enumerable.Range(0, 4).Select(_ => run.Fresh(Tokens * Width * sizeof(float)))];
        run.Launch("trace_stage", 1, Tokens, new TraceArguments
        {
            Product = address,
            ProductStride = parts * Padded,
            PreActivation = outputs[0].Address,
            Activated = outputs[1].Address,
            Up = gated ? outputs[2].Address : 0,
            Hidden = outputs[3].Address,
            Width = Width,
            PaddedWidth = Padded,
            Kind = KindArguments.Of(new FfnKind(gated, Activation.Silu)),
        });
        float[][] found = [.. outputs.Select(output => run.Session.Read(NumberFormat.Float32, output))];
        for (int i = 0; i < Tokens * Width; i++)
        {
            double gate = product[(i / Width * parts * Padded) + (i % Width)];
            double up = gated ? product[(i / Width * parts * Padded) + Padded + (i % Width)] : 1;
            Assert.That(found[0][i], Is.EqualTo(gate));
            Assert.That(found[1][i], Is.EqualTo(ActivationFormulas[6](gate)).Within(Tolerance));
            Assert.That(found[2][i], gated ? Is.EqualTo(up) : Is.NaN);
            Assert.That(found[3][i], Is.EqualTo(ActivationFormulas[6](gate) * up).Within(Tolerance));
        }
    }

    [Test]
    public void Widened_operands_are_times_their_scales([Range(0, 3)] int precision)
    {
        using var run = new KernelSession(precision);
        float[] stored = run.Rounded(run.Precision.Operand, Fractions(Tokens * Padded, 1), out nint address);
        float[] scales = Fractions(Tokens, 2);
        DeviceRegion output = run.Fresh(Tokens * Width * sizeof(float));
        run.Launch("widen_operand", 1, Tokens, new WidenArguments
        {
            Operand = address, Stride = Padded, TokenScales = run.Floats(scales), Output = output.Address, Width = Width,
        });
        float[] found = run.Session.Read(NumberFormat.Float32, output);
        for (int i = 0; i < found.Length; i++)
        {
            Assert.That(found[i], Is.EqualTo(stored[(i / Width * Padded) + (i % Width)] * scales[i / Width]));
        }
    }

    [Test]
    public void A_finished_row_is_its_branch_normed_the_residual_added_and_normed_again(
        [Range(0, 3)] int branch, [Range(0, 3)] int post, [Values] bool inPlace)
    {
        using var run = new KernelSession(0);
        float[] product = Fractions(Tokens * Width, 1);
        float[] bias = [.. Fractions(Width, 2), .. new float[Padded - Width]];
        float[] residual = Fractions(Tokens * Width, 3);
        float[] branchWeight = Fractions(Width, 4);
        float[] postWeight = Fractions(Width, 5);
        nint productAddress = run.Floats(product);
        DeviceRegion output = inPlace ? new DeviceRegion(productAddress, product.Length * sizeof(float))
            : run.Fresh(product.Length * sizeof(float));
        run.Launch("finish", Tokens, 1, new FinishArguments
        {
            Product = productAddress,
            ProductStride = Width,
            Bias = run.Floats(bias),
            Residual = run.Floats(residual),
            ResidualStride = Width,
            Output = output.Address,
            OutputStride = Width,
            Branch = NormOf(branch, run.Floats(branchWeight), 0, 0.5f),
            Post = NormOf(post, run.Floats(postWeight), 0, 0.5f),
            Width = Width,
        });
        float[] found = run.Session.Read(NumberFormat.Float32, output);
        for (int token = 0; token < Tokens; token++)
        {
            double[] row = Norm(
                branch, [.. product.Skip(token * Width).Take(Width).Zip(bias, static (x, b) => x + b)], branchWeight, null, 0.5);
            float[] joined = [.. row.Select((x, i) => (float)(x + residual[(token * Width) + i]))];
            double[] expected = Norm(post, joined, postWeight, null, 0.5);
            for (int i = 0; i < Width; i++)
            {
                Assert.That(found[(token * Width) + i], Is.EqualTo(expected[i]).Within(4 * Tolerance));
            }
        }
    }

    [Test]
    public void Rows_that_are_gathered_are_combined_in_the_order_of_their_rows([Values] bool isShared, [Values] bool inPlace)
    {
        using var run = new KernelSession(0);
        float[] input = Fractions(Tokens * 24, 1);
        int[] tokens = [2, 0, 1, 1, 2, 0];
        int[] order = [5, 1, 2, 3, 0, 4];
        float[] weights = Fractions(2 * Tokens, 2);
        float[] gates = Fractions(Tokens, 3);
        float[] shared = Fractions(Tokens * 40, 4);
        float[] residual = Fractions(Tokens * Width, 5);
        DeviceRegion routed = run.Fresh(tokens.Length * Padded * sizeof(float));
        run.Launch("gather_rows", tokens.Length, 1, new GatherArguments
        {
            Input = run.Floats(input),
            InputStride = 24,
            Tokens = run.Session.Foreign.Allocate<int>(tokens),
            Output = routed.Address,
            OutputStride = Padded,
            Width = Width,
        });
        nint rows = run.Floats(residual);
        nint output = inPlace ? rows : run.Fresh(residual.Length * sizeof(float)).Address;
        run.Launch("combine_experts", Tokens, 1, new CombineArguments
        {
            Results = routed.Address,
            ResultStride = Padded,
            Rows = run.Session.Foreign.Allocate<int>(order),
            Weights = run.Floats(weights),
            Shared = isShared ? run.Floats(shared) : 0,
            SharedStride = 40,
            SharedWeights = run.Floats(gates),
            Residual = rows,
            ResidualStride = Width,
            Output = output,
            OutputStride = Width,
            TopK = 2,
            Width = Width,
        });
        float[] found = run.Session.Foreign.Read<float>(output, residual.Length);
        for (int i = 0; i < found.Length; i++)
        {
            (int token, int column) = (i / Width, i % Width);
            double Gathered(int route) => (double)weights[route] * input[(tokens[order[route]] * 24) + column];
            double expected = Gathered(2 * token) + Gathered((2 * token) + 1) + residual[i]
                + (isShared ? (double)gates[token] * shared[(token * 40) + column] : 0);
            Assert.That(found[i], Is.EqualTo(expected).Within(8 * Tolerance));
        }
    }

    [Test]
    public void A_vector_stage_is_the_whole_hidden_stage([Values(1, 2, 4, 8)] int most, [Values] bool gated, [Range(0, 3)] int precision)
    {
        using var run = new KernelSession(precision);
        int tokens = Math.Max(1, most - 1);
        int rows = (gated ? 2 : 1) * Padded;
        float[] weights = run.Rounded(run.Precision.Weight, Fractions(rows * 16, 1), out nint weightAddress);
        float[] vectors = run.Rounded(run.Precision.Vector, Fractions(tokens * 16, 2), out nint vectorAddress);
        float[] bias = Fractions(rows, 3);
        float[] scales = Fractions(rows, 4);
        NumberFormat number = run.Precision.Vector;
        DeviceRegion output = run.Fresh(tokens * Padded * number.Bytes);
        run.Launch($"vector_stage_{most}", Padded / 16, 1, new VectorStageArguments
        {
            Weights = weightAddress,
            WeightStride = 16,
            Vectors = vectorAddress,
            VectorStride = 16,
            Output = output.Address,
            OutputStride = Padded,
            Bias = run.Floats(bias),
            ChannelScales = run.Floats(scales),
            Tokens = tokens,
            Columns = 16,
            PaddedWidth = Padded,
            Width = Width,
            Kind = KindArguments.Of(new FfnKind(gated, Activation.Silu)),
        });
        float[] found = run.Session.Read(number, output);
        for (int i = 0; i < found.Length; i++)
        {
            double At(int row) => (Dot(weights, row * 16, vectors, i / Padded * 16, 16) * scales[row]) + bias[row];
            double expected = i % Padded < Width ? ActivationFormulas[6](At(i % Padded)) * (gated ? At(Padded + (i % Padded)) : 1) : 0;
            Assert.That(
                found[i], Is.EqualTo(expected).Within((Step(number) * Math.Abs(expected)) + (4 * Tolerance * (1 + Math.Abs(expected)))));
        }
    }

    [Test]
    public void A_vector_result_adds_bias_and_residual_in_place([Values(1, 2, 4, 8)] int most, [Range(0, 3)] int precision)
    {
        using var run = new KernelSession(precision);
        float[] weights = run.Rounded(run.Precision.Weight, Fractions(Padded * 16, 1), out nint weightAddress);
        float[] vectors = run.Rounded(run.Precision.Vector, Fractions(most * 16, 2), out nint vectorAddress);
        float[] bias = Fractions(Padded, 3);
        float[] residual = Fractions(most * Width, 4);
        nint output = run.Floats(residual);
        run.Launch($"vector_result_{most}", 2, 1, new VectorResultArguments
        {
            Weights = weightAddress,
            WeightStride = 16,
            Vectors = vectorAddress,
            VectorStride = 16,
            Output = output,
            OutputStride = Width,
            Residual = output,
            ResidualStride = Width,
            Bias = run.Floats(bias),
            Tokens = most,
            Columns = 16,
            Width = Width,
        });
        float[] found = run.Session.Foreign.Read<float>(output, residual.Length);
        for (int i = 0; i < found.Length; i++)
        {
            double expected = Dot(weights, i % Width * 16, vectors, i / Width * 16, 16) + bias[i % Width] + residual[i];
            Assert.That(found[i], Is.EqualTo(expected).Within(4 * Tolerance));
        }
    }

    [Test]
    public void The_exact_gelu_is_accurate_in_its_tail()
    {
        // 1 - Φ(x) of tables: x, probability above.
        (double X, double Above)[] table = [(1, 0.15865525393145707), (3, 0.0013498980316300946), (6, 9.865876450376981e-10)];
        foreach ((double x, double above) in table)
        {
            Assert.That(NormalDistribution.Below(-x), Is.EqualTo(above).Within(1e-12 * above));
            Assert.That(NormalDistribution.Below(x), Is.EqualTo(1 - above).Within(1e-15));
        }
    }

    [Test]
    public void Rows_outside_of_memory_grids_and_blocks_are_violations()
    {
        using var run = new KernelSession(0);
        nint memory = run.Floats(new float[64]);
        var argument = new WidenArguments { Operand = memory, Stride = 16, Output = memory, Width = 65 };
        SoftwareSession session = run.Session;
        CudaKernel kernel = run.Kernel("widen_operand");
        int Launch(uint gridX, uint gridY, uint block, nint function)
        {
            WidenArguments copied = argument;
            void* parameters = &copied;
            return session.Raw.cuLaunchKernel(function, gridX, gridY, 1, block, 1, 1, 0, 0, &parameters, null);
        }

        session.AssertViolation(Launch(1, 1, 128, kernel.Function), CudaResult.InvalidValue, "not written for");
        session.AssertViolation(Launch(1, 65536, 256, kernel.Function), CudaResult.InvalidValue, "65536");
        session.AssertViolation(Launch(1, 2, 256, run.Kernel("finish").Function), CudaResult.InvalidValue, "not written for");
        Assert.That(Launch(1, 1, 256, kernel.Function), Is.Zero);
        session.AssertViolation(session.Raw.cuCtxSynchronize(), CudaResult.IllegalAddress, "260 bytes at offset 0");
    }

    [Test]
    public void Rows_of_the_products_own_start_at_16_bytes()
    {
        using var run = new KernelSession(0);
        nint memory = run.Floats(new float[64]);
        run.Queue("widen_operand", 1, 1, new WidenArguments { Operand = memory + 4, Stride = 16, Output = memory, Width = 4 });
        run.Session.AssertViolation(run.Session.Raw.cuCtxSynchronize(), CudaResult.MisalignedAddress, "not at 16 bytes");
    }

    [Test]
    public void A_kernel_of_an_unloaded_module_is_not_run()
    {
        using var run = new KernelSession(0);
        nint memory = run.Floats(new float[64]);
        run.Queue("widen_operand", 1, 1, new WidenArguments { Operand = memory, Stride = 16, Output = memory, Width = 4 });
        run.Module.Dispose();
        run.Session.AssertViolation(run.Session.Raw.cuCtxSynchronize(), CudaResult.IllegalAddress, "unloaded");
    }

    // 0 none, 1 RMS, 2 RMS of weights stored as their difference from 1, 3 layer norm.
    private static NormArguments NormOf(int norm, nint weight, nint bias, float epsilon) => new()
    {
        Kind = norm < 2 ? norm : norm - 1, Weight = weight, Bias = bias, Epsilon = epsilon, WeightOffset = norm == 2 ? 1 : 0,
    };
}
