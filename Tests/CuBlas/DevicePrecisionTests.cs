using NativeFfn.Checkpoints;
using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>
/// Layers in each precision of GPUs, by products and by the decode kernels, against float64 arithmetic on the weights as they were given:
/// what rounding loses, operands and hidden rows included, stays within what each precision promises.
/// </summary>
public sealed class DevicePrecisionTests : DeviceTests
{
    private const float Epsilon = 1e-5f;

    private static readonly FfnPrecision[] Precisions =
        [FfnPrecision.Float32, FfnPrecision.Tf32, FfnPrecision.BFloat16, FfnPrecision.Float16, FfnPrecision.Float8];

    private static readonly int[] Decoding = [0, 8];

    private static readonly FfnMode[] Modes = [FfnMode.Ffn, FfnMode.Residual, FfnMode.Block];

    private static readonly Lazy<GoldenAnswer[]> Golden = new(static () => [.. ReadGolden()]);
    private static readonly Lazy<ParityCase[]> Layers = new(static () => [.. ParityCases.OfKinds(), .. ParityCases.OfNorms(), .. OfWidths()]);
    private static readonly Lazy<ParityCase[]> Stacks = new(static () => [.. ParityCases.OfStacks()]);
    private static readonly Lazy<ParityCase[]> Edges = new(static () => [.. ParityCases.OfEdges()]);

    [Test]
    public void Checkpoints_give_the_answers_of_their_models(
        [ValueSource(nameof(Precisions))] FfnPrecision precision, [ValueSource(nameof(Decoding))] int decodeTokens)
    {
        Start();
        using FfnEngine engine = Open(precision, decodeTokens);
        (double Error, string Name) largest = (0, "none");
        foreach (GoldenAnswer answer in Golden.Value)
        {
            using FfnLayer layer = engine.CreateLayer(answer.Spec, answer.Weights);
            double error = StoredWeights.Error(precision, answer.Spec, answer.Weights);
            Assert.That(layer.QuantizationError, Is.EqualTo(error).Within(Tolerances.SumOfErrors * error), answer.Name);
            float[] output = EngineTests.Forward(layer, answer.Mode, answer.Input);
            double met = Tolerances.AssertClose(output, Estimate.Exact(answer.Expected), Tolerances.OnDevice(precision), answer.Name);
            largest = met > largest.Error ? (met, answer.Name) : largest;
        }

        Report($"checkpoints ({largest.Name})", precision, decodeTokens, largest.Error);
    }

    [Test]
    public void Layers_are_their_formula(
        [ValueSource(nameof(Precisions))] FfnPrecision precision, [ValueSource(nameof(Decoding))] int decodeTokens) =>
        Compare("layers", Layers.Value, precision, decodeTokens);

    [Test]
    public void Stacks_are_their_formula(
        [ValueSource(nameof(Precisions))] FfnPrecision precision, [ValueSource(nameof(Decoding))] int decodeTokens) =>
        Compare("stacks", Stacks.Value, precision, decodeTokens);

    [Test]
    public void Smallest_layers_and_no_tokens_work(
        [ValueSource(nameof(Precisions))] FfnPrecision precision, [ValueSource(nameof(Decoding))] int decodeTokens) =>
        Compare("edges", Edges.Value, precision, decodeTokens);

    private static void Compare(string what, ParityCase[] layers, FfnPrecision precision, int decodeTokens)
    {
        using SoftwareDevice device = SoftwareDevice.Start(Ada);
        (double Error, string Name) largest = (0, "none");
        using (FfnEngine engine = Open(precision, decodeTokens))
        {
            foreach (ParityCase found in layers)
            {
                using FfnLayer layer = engine.CreateLayer(found.Spec, found.Weights);
                double error = StoredWeights.Error(precision, found.Spec, found.Weights);
                Assert.That(layer.QuantizationError, Is.EqualTo(error).Within(Tolerances.SumOfErrors * error), found.ToString());
                float[] output = EngineTests.Forward(layer, found.Mode, found.Input(), found.Residual());
                double met = Tolerances.AssertClose(
                    output, found.Expected.Output, Tolerances.OnDevice(precision, found.Spec), $"{found} in {precision}, decode {decodeTokens}");
                largest = met > largest.Error ? (met, found.ToString()) : largest;
            }
        }

        device.AssertClean();
        Report($"{what} ({largest.Name})", precision, decodeTokens, largest.Error);
    }

    private static void Report(string what, FfnPrecision precision, int decodeTokens, double error) => TestContext.Out.WriteLine(
        $"{Names<FfnPrecision>.Of(precision)}, decode kernels up to {decodeTokens} tokens: largest relative L2 error {error:E2} of {what}");

    private static IEnumerable<GoldenAnswer> ReadGolden()
    {
        foreach (GoldenCase found in GoldenCases.All)
        {
            using FfnCheckpoint checkpoint = FfnCheckpoint.Open(found.Directory);
            FfnCheckpointLayer layer = checkpoint.GetLayer(found.Layer);
            if (layer.Spec.Mixture is not null)
            {
                // Where a narrow router chooses other experts, no distance says anything; mixtures have tests of their own.
                continue;
            }

            var weights = new FfnMemoryWeights(layer.Spec);
            foreach (FfnTensor tensor in layer.Spec.Tensors)
            {
                float[] values = new float[tensor.ElementCount];
                layer.Weights.ReadRows(tensor, 0, values);
                weights.Set(tensor.Name, values);
            }

            foreach (FfnMode mode in Modes)
            {
                if (found.ReadExpected(mode) is { } expected)
                {
                    yield return new GoldenAnswer($"{found.Name} {mode}", layer.Spec, weights, mode, found.ReadInput(), expected);
                }
            }
        }
    }

    // 1 to 9 tokens and 33, over the padding of rows and far from it.
    private static IEnumerable<ParityCase> OfWidths()
    {
        (int DModel, int DFf)[] widths = [(17, 1000), (1000, 17), (1, 33), (33, 1), (16, 16), (48, 130), (257, 255)];
        var rms = new NormSpec(NormKind.Rms, Epsilon);
        int seed = 20_000;
        foreach (int tokens in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 9, 33])
        {
            foreach (FfnMode mode in Modes)
            {
                (int dModel, int dFf) = widths[seed / 10 % widths.Length];
                FfnKind kind = (seed / 10 % 3) switch { 0 => FfnKind.SwiGlu, 1 => FfnKind.GeluTanh, _ => FfnKind.Relu };
                FfnSpec spec = FfnSpec.Create(kind, dModel, dFf, bias: tokens % 2 == 0);
                yield return new ParityCase(dModel > 1 ? spec.WithNorms(rms, tokens % 3 == 0 ? rms : null) : spec, tokens, mode, seed += 10);
            }
        }
    }

    private sealed record GoldenAnswer(string Name, FfnSpec Spec, FfnMemoryWeights Weights, FfnMode Mode, float[] Input, float[] Expected);
}
