using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Golden;

/// <summary>GGUF files of many types, from the file to float64 answers on the weights that ggml reads from them, in every mode.</summary>
public class GgufGoldenTests : BackendTests
{
    private static readonly GoldenCase[] All = [.. GoldenCases.Gguf];

    public GgufGoldenTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void A_layer_of_a_gguf_file_gives_the_answers_of_its_model([ValueSource(nameof(All))] object golden, [Values] FfnMode mode)
    {
        var found = (GoldenCase)golden;
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(found.Model);
        Assert.That(checkpoint.ModelType, Is.EqualTo(found.ModelType));
        foreach (int threads in ThreadCounts)
        {
            using FfnLayer layer = Engine(threads).LoadLayer(checkpoint, found.Layer);
            Assert.That(layer.QuantizationError, Is.Zero);
            float[] output = Forward(layer, mode, found.ReadInput());
            Tolerances.AssertClose(
                output, Estimate.Exact(found.ReadExpected(mode)!), Tolerances.Golden, $"{found.Name} {mode}, {threads} threads");
        }

        using FfnEngine storing = OpenEngine(1, FfnPrecision.Stored);
        using FfnLayer stored = storing.LoadLayer(checkpoint, found.Layer);
        Assert.That(stored.QuantizationError, Is.Zero);
        Tolerances.AssertClose(
            Forward(stored, mode, found.ReadInput()), Estimate.Exact(found.ReadExpected(mode)!), Tolerances.Golden, $"{found.Name} {mode} as stored");
    }

    [Test]
    public void The_cases_are_files_of_many_types() => Assert.That(All, Has.Length.EqualTo(17));
}
