using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Golden;

/// <summary>
/// Checkpoints of every family, from the files to PyTorch's float64 answers, in every mode that PyTorch answered; where a precision
/// rounds the weights, to the oracle's answers for the rounded ones.
/// </summary>
public class GoldenTests : PrecisionTests
{
    private static readonly GoldenCase[] All = [.. GoldenCases.All];

    public GoldenTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    [Test]
    public void A_checkpoint_layer_gives_the_answers_of_its_model(
        [ValueSource(nameof(All))] object golden, [Values] FfnMode mode)
    {
        foreach (int threads in ThreadCounts)
        {
            Compare((GoldenCase)golden, mode, threads);
        }
    }

    private void Compare(GoldenCase found, FfnMode mode, int threads)
    {
        float[]? expected = found.ReadExpected(mode);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(found.Directory);
        using FfnLayer layer = Engine(threads).LoadLayer(checkpoint, found.Layer);
        if (expected is null)
        {
            Assert.That(layer.Spec.WhyNoBlock, Is.Not.Null, "PyTorch has no answer for a mode only where the layer has none");
            return;
        }

        float[] output = Forward(layer, mode, found.ReadInput());
        FfnMemoryWeights weights = ReadWeights(checkpoint.GetLayer(found.Layer));
        double error = StoredWeights.Error(Precision, layer.Spec, weights);
        Assert.That(layer.QuantizationError, Is.EqualTo(error).Within(Tolerances.SumOfErrors * error));
        if (error == 0)
        {
            Tolerances.AssertClose(output, Estimate.Exact(expected), Tolerances.OfGolden(layer.Spec, Precision), $"{found.Name} {mode}, {threads} threads");
            return;
        }

        Assert.That(HoldsExactly(found), Is.False);
        FfnMemoryWeights stored = StoredWeights.Of(Precision, layer.Spec, weights);
        Tolerances.AssertClose(
            output, Oracle.Run(layer.Spec, stored, mode, found.ReadInput()).Output, Tolerances.Of(layer.Spec, Precision),
            $"{found.Name} {mode} in {Precision}, {threads} threads");
    }

    // The cases whose files have the very type that matrices are kept in.
    private bool HoldsExactly(GoldenCase found) =>
        Precision == FfnPrecision.Float32
        || (Precision == FfnPrecision.BFloat16 && found.Name == "llama-bf16") || (Precision == FfnPrecision.Float16 && found.Name == "llama-f16-sharded");

    private static FfnMemoryWeights ReadWeights(FfnCheckpointLayer layer)
    {
        var weights = new FfnMemoryWeights(layer.Spec);
        foreach (FfnTensor tensor in layer.Spec.Tensors)
        {
            float[] values = new float[tensor.ElementCount];
            layer.Weights.ReadRows(tensor, 0, values);
            weights.Set(tensor.Name, values);
        }

        return weights;
    }

    [Test]
    public void Every_family_is_among_the_cases() => Assert.That(
        All.Select(static found => found.Name),
        Is.SupersetOf(new[] { "bert", "gemma", "gpt2", "llama", "llama-bf16", "llama-f16-sharded", "mixtral", "opt", "phi3", "qwen2", "qwen2_moe", "t5-v1_1" }));
}
