using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Parity;

/// <summary>
/// Layers of small integers, where float32 makes no rounding at all: every backend, summing in whatever order, must give the integers.
/// </summary>
public class ExactnessTests : BackendTests
{
    // Integers up to here are float32 numbers; sums that stay below it have no rounding in any order.
    private const double LargestExactInteger = 1 << 24;

    private static readonly (FfnSpec Spec, int Tokens, int Largest)[] Layers =
    [
        (FfnSpec.Create(FfnKind.Linear, 100, 129, bias: true), 17, 4),
        (FfnSpec.Create(FfnKind.Relu, 129, 65), 33, 4),
        (FfnSpec.Create(FfnKind.Relu, 64, 256, bias: true), 130, 4),
        (FfnSpec.Create(FfnKind.Bilinear, 33, 20, bias: true), 7, 2),
        (FfnSpec.Create(FfnKind.ReGlu, 40, 63), 16, 2),
        (FfnSpec.Create(FfnKind.SquaredRelu, 31, 77, bias: true), 5, 2),
        (FfnSpec.Create(new FfnKind(true, Activation.SquaredRelu), 12, 19), 9, 1),
        (FfnSpec.Create(FfnKind.Relu, 256, 688), 130, 1),
        (FfnSpec.Stack(
            new FfnStage(FfnKind.Relu, 24, 48, true), new FfnStage(FfnKind.Relu, 48, 17, false), new FfnStage(FfnKind.Relu, 17, 33, true)), 29, 2),
        (FfnSpec.Stack(
            new FfnStage(FfnKind.ReGlu, 9, 10, true), new FfnStage(FfnKind.Linear, 10, 31, false), new FfnStage(FfnKind.Relu, 31, 9, true)), 64, 1),
        (FfnSpec.Stack(new FfnStage(FfnKind.Linear, 129, 100, true)), 65, 4),
    ];

    public ExactnessTests(BackendKind backend)
        : base(backend)
    {
    }

    // An int8 is an integer times a scale that is none. A GPU rounds hidden rows to the precision too, as processors do that multiply bf16
    // (ProductTests have those exact). The reference has one precision.
    private FfnPrecision[] Exact => Backend is BackendKind.CuBlas or BackendKind.Reference ? [FfnPrecision.Float32]
        : StoredTokens.AreBFloat16 ? [FfnPrecision.Float32, FfnPrecision.Float16]
        : [FfnPrecision.Float32, FfnPrecision.BFloat16, FfnPrecision.Float16];

    [Test]
    public void Integers_come_out_exact([Range(0, 10)] int index)
    {
        (FfnSpec spec, int tokens, int largest) = Layers[index];
        FfnMemoryWeights weights = RandomLayers.Integers(spec, 40 + index, largest);
        float[] input = RandomLayers.IntegerRows(tokens, spec.InputWidth, 60 + index, largest);
        float[] residual = RandomLayers.IntegerRows(tokens, spec.OutputWidth, 80 + index, largest);
        double bound = Oracle.Run(
            spec, RandomLayers.Absolute(spec, weights), FfnMode.Residual, Array.ConvertAll(input, MathF.Abs), Array.ConvertAll(residual, MathF.Abs))
            .Output.Values.Max();
        Assert.That(bound, Is.LessThan(LargestExactInteger), "the test's own numbers must stay exact in float32");

        foreach (FfnMode mode in new[] { FfnMode.Ffn, FfnMode.Residual })
        {
            float[] expected = Array.ConvertAll(Oracle.Run(spec, weights, mode, input, residual).Output.Values, static x => (float)x);
            foreach (int threads in ThreadCounts)
            {
                foreach (FfnPrecision precision in Exact)
                {
                    using FfnEngine engine = OpenEngine(threads, precision);
                    using FfnLayer layer = engine.CreateLayer(spec, weights);
                    Assert.That(Forward(layer, mode, input, residual), Is.EqualTo(expected), $"{spec} {mode} in {precision}, {threads} threads");
                }
            }
        }
    }
}
