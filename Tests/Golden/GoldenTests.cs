using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Golden;

/// <summary>Checkpoints of every family, from the files to PyTorch's float64 answers, in every mode that PyTorch answered.</summary>
public class GoldenTests : BackendTests
{
    private static readonly GoldenCase[] All = [.. GoldenCases.All];

    public GoldenTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void A_checkpoint_layer_gives_the_answers_of_its_model(
        [ValueSource(nameof(All))] object golden, [Values] FfnMode mode, [Values(1, 2, 3)] int threads)
    {
        var found = (GoldenCase)golden;
        float[]? expected = found.ReadExpected(mode);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(found.Directory);
        using FfnLayer layer = Engine(threads).LoadLayer(checkpoint, found.Layer);
        if (expected is null)
        {
            Assert.That(layer.Spec.WhyNoBlock, Is.Not.Null, "PyTorch has no answer for a mode only where the layer has none");
            return;
        }

        float[] output = Forward(layer, mode, found.ReadInput());
        Tolerances.AssertClose(output, Estimate.Exact(expected), Tolerances.Golden, $"{found.Name} {mode}");
    }

    [Test]
    public void Every_family_is_among_the_cases() => Assert.That(
        All.Select(static found => found.Name),
        Is.SupersetOf(new[] { "bert", "gemma", "gpt2", "llama", "llama-bf16", "llama-f16-sharded", "mixtral", "opt", "phi3", "qwen2", "qwen2_moe", "t5-v1_1" }));
}
