using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>activate_operand, activate_result and trace_stage.</summary>
public class ActivationKernelTests(string precision) : KernelTests(precision)
{
    // Where activations are steep, flat, cancel or overflow.
    private static readonly double[] Tails =
    [
        0, -0.0, 1e-30, -1e-30, 1e-4, -1e-4, 0.5, -0.5, 1, -1, 3, -3, 5.5, -5.5, 9, -9, 12, -12, 13.5, -13.5,
        20, -20, 88, -88, 90, -90, 104, -104, 1e4, -1e4, double.NaN, double.PositiveInfinity, double.NegativeInfinity,
    ];

    [Test]
    public void Hidden_values_are_rounded_to_operands([ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation, [Values] bool gated)
    {
        foreach (int width in Widths)
        {
            var random = new Random(width);
            using var stage = new StageOracle(
                Precision, 2, width, gated, extras: (width + Activation.All.IndexOf(activation)) % 8, (_, _) => (random.NextDouble() * 8) - 4);
            CheckOperand(stage, activation, gated, blocks: Precision.IsScaled ? 1 : 1 + (width % 3));
        }
    }

    [Test]
    public void A_last_stage_with_an_activation_is_float([ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation, [Values] bool gated)
    {
        foreach (int width in Widths)
        {
            var random = new Random(width);
            using var stage = new StageOracle(
                Precision, 2, width, gated, extras: 7 - ((width + Activation.All.IndexOf(activation)) % 8), (_, _) => (random.NextDouble() * 8) - 4);
            KernelRows output = Own(KernelRows.OfCaller(
                2, width, width + (width % 3), width % 2 == 0 ? GuardSide.After : GuardSide.Before));
            Launch("activate_result", 1 + (width % 2), 2, Arguments(stage, activation, gated, output, 0));
            for (int token = 0; token < 2; token++)
            {
                for (int column = 0; column < width; column++)
                {
                    AssertRounded(
                        NumberFormat.Float32, output[token, column], stage.Hidden(activation, token, column),
                        stage.ErrorOfHidden(activation, token, column), () => $"width {width} token {token} column {column}");
                }
            }

            output.AssertUntouchedPast(width);
        }
    }

    [Test]
    public void Any_number_of_tokens_is_activated()
    {
        for (int tokens = 0; tokens <= 9; tokens++)
        {
            using var stage = new StageOracle(
                Precision, tokens, 40, gated: true, extras: 7, static (token, column) => (token + column) / 16.0);
            CheckOperand(stage, Activation.Silu, gated: true, blocks: 1);
        }
    }

    [Test]
    public void The_tails_of_an_activation_are_accurate([ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation)
    {
        using var stage = new StageOracle(Precision, 1, Tails.Length, gated: false, extras: 0, static (_, column) => Tails[column]);
        KernelRows output = Own(KernelRows.OfCaller(1, Tails.Length, Tails.Length, GuardSide.After));
        Launch("activate_result", 1, 1, Arguments(stage, activation, gated: false, output, 0));
        for (int column = 0; column < Tails.Length; column++)
        {
            double x = stage.PreActivation(0, column);
            double expected = Activate(activation, x);
            double end = activation == Activation.GeluTanh ? 6 : 12;
            double error = Math.Abs(x) < end
                ? Tolerances.OfActivationNearZero(expected)
                : Tolerances.OfActivation(activation, expected);
            AssertRounded(NumberFormat.Float32, output[0, column], expected, error, () => $"{activation}({x})");
        }
    }

    [Test]
    public void What_is_not_finite_stays_so_in_operands([ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation, [Values] bool gated)
    {
        double[] values = [1, double.NaN, double.PositiveInfinity, 2];
        using var stage = new StageOracle(
            Precision, 4, 20, gated, extras: 0, (token, column) => column % 32 == 7 ? values[token] : 0.5);
        CheckOperand(stage, activation, gated, blocks: 1);
    }

    [Test]
    public void Hidden_values_of_zero_have_scale_1()
    {
        using var stage = new StageOracle(Precision, 2, 20, gated: false, extras: 0, static (_, _) => -1);
        CheckOperand(stage, Activation.Relu, gated: false, blocks: 1);
    }

    [Test]
    public void A_scale_does_not_depend_on_the_number_of_blocks()
    {
        using var stage = new StageOracle(
            Precision, 2, 2731, gated: true, extras: 3, static (token, column) => ((column * 37) % 101) + token);
        byte[][] results = [.. new[] { 1, 2, 5 }.Select(blocks => CheckOperand(stage, Activation.Silu, gated: true, blocks).ToArray())];
        Assert.That(results[1], Is.EqualTo(results[0]));
        Assert.That(results[2], Is.EqualTo(results[0]));
    }

    [Test]
    public void A_trace_has_every_step([ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation, [Values] bool gated)
    {
        foreach (int width in Widths)
        {
            CheckTrace(width, activation, gated);
        }
    }

    private void CheckTrace(int width, Activation activation, bool gated)
    {
        var random = new Random(width);
        const int Tokens = 2;
        using var stage = new StageOracle(
            Precision, Tokens, width, gated, extras: (width + Activation.All.IndexOf(activation)) % 8, (_, _) => (random.NextDouble() * 8) - 4);
        KernelRows[] steps =
        [
            .. Enumerable.Range(0, 4).Select(
                step => Own(KernelRows.OfCaller(Tokens, width, width, step % 2 == 0 ? GuardSide.After : GuardSide.Before))),
        ];
        Launch("trace_stage", 1 + (width % 2), Tokens, new TraceArguments
        {
            Product = stage.Product.Pointer,
            ProductStride = stage.Product.Stride,
            Bias = stage.Bias,
            ChannelScales = stage.ChannelScales,
            TokenScales = stage.TokenScales,
            PreActivation = steps[0].Pointer,
            Activated = steps[1].Pointer,
            Up = gated ? steps[2].Pointer : 0,
            Hidden = steps[3].Pointer,
            Width = width,
            PaddedWidth = PaddedTo16(width),
            Kind = KindArguments.Of(new FfnKind(gated, activation)),
        });
        for (int token = 0; token < Tokens; token++)
        {
            for (int column = 0; column < width; column++)
            {
                void AssertStep(int step, double expected, double error) => AssertRounded(
                    NumberFormat.Float32, steps[step][token, column], expected, error, () => $"step {step} width {width} token {token} column {column}");
                double errorOfHidden = stage.ErrorOfHidden(activation, token, column);
                AssertStep(0, stage.PreActivation(token, column), stage.ErrorOfPreActivation(token, column));
                AssertStep(1, stage.Activated(activation, token, column), errorOfHidden / Math.Min(1, Math.Abs(stage.Factor(activation, token, column))));
                AssertStep(3, stage.Hidden(activation, token, column), errorOfHidden);
                if (gated)
                {
                    AssertStep(2, stage.Up(token, column), stage.ErrorOfPreActivation(token, PaddedTo16(width) + column));
                }
            }
        }

        if (!gated)
        {
            steps[2].AssertUntouchedPast(0);
        }
    }

    private static ActivationArguments Arguments(
        StageOracle stage, Activation activation, bool gated, KernelRows output, nint outputScales) => new()
        {
            Product = stage.Product.Pointer,
            ProductStride = stage.Product.Stride,
            Output = output.Pointer,
            OutputStride = output.Stride,
            Bias = stage.Bias,
            ChannelScales = stage.ChannelScales,
            TokenScales = stage.TokenScales,
            OutputScales = outputScales,
            PaddedWidth = (stage.Width + 15) / 16 * 16,
            Width = stage.Width,
            Kind = KindArguments.Of(new FfnKind(gated, activation)),
        };

    // 1 + tanh cancels in the tail, where 0.5(1 + tanh u) = σ(2u) does not.
    private static double Activate(Activation activation, double x) => activation == Activation.GeluTanh
        ? x * ReferenceMath.Sigmoid(2 * Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))
        : ReferenceMath.Activate(activation, x);

    private KernelRows CheckOperand(StageOracle stage, Activation activation, bool gated, int blocks)
    {
        int tokens = stage.Product.Count;
        int padded = PaddedTo16(stage.Width);
        KernelRows output = Own(KernelRows.Own(Precision.Operand, tokens, padded, 16 * (stage.Width % 2)));
        KernelRows scales = Own(KernelRows.OfCaller(1, tokens, tokens, GuardSide.After));
        Launch("activate_operand", blocks, tokens, Arguments(stage, activation, gated, output, Precision.IsScaled ? scales.Pointer : 0));
        for (int token = 0; token < tokens; token++)
        {
            double[] expected = [.. Enumerable.Range(0, stage.Width).Select(column => stage.Hidden(activation, token, column))];
            double[] errors = [.. Enumerable.Range(0, stage.Width).Select(column => stage.ErrorOfHidden(activation, token, column))];
            double scale = 1;
            if (Precision.IsScaled)
            {
                scale = scales[0, token];
                TokenScale.AssertScale(scale, expected, LargestFinite(errors));
            }

            for (int column = 0; column < padded; column++)
            {
                double wanted = column < stage.Width ? expected[column] / scale : 0;
                AssertRounded(
                    Precision.Operand, output[token, column], wanted, column < stage.Width ? errors[column] / scale : 0,
                    () => $"width {stage.Width} token {token} of {tokens} column {column}");
            }
        }

        output.AssertUntouchedPast(padded);
        return output;
    }
}
