using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>The same rows with the same thread count give the same bits, wherever in memory they lie.</summary>
public class RepeatabilityTests : StorageTests
{
    // Floats of a cache line: every alignment that a span of floats can have.
    private const int Alignments = 16;

    private static readonly FfnSpec[] Specs =
    [
        FfnSpec.Create(FfnKind.SwiGlu, 64, 176, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f)),
        FfnSpec.Create(FfnKind.Bilinear, 23, 10),
    ];

    public RepeatabilityTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }

    [Test]
    public void Alignment_changes_no_bit([Range(0, 1)] int index, [Values] FfnMode mode, [Values(1, 2, 5, 33)] int tokens, [Values(1, 3)] int threads)
    {
        FfnSpec spec = Specs[index];
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, 950));
        float[] rows = RandomLayers.Rows(tokens, spec.DModel, 951);
        float[] input = GC.AllocateArray<float>(rows.Length + Alignments, pinned: true);
        float[] output = GC.AllocateArray<float>(rows.Length + Alignments, pinned: true);
        float[]? first = null;
        for (int alignment = 0; alignment < Alignments; alignment++)
        {
            // Five is prime to sixteen, so that input and output do not move alike.
            Span<float> x = input.AsSpan(alignment, rows.Length);
            Span<float> y = output.AsSpan(alignment * 5 % Alignments, rows.Length);
            rows.CopyTo(x);
            Forward(layer, mode, x, x, y);
            first ??= y.ToArray();
            Assert.That(y.ToArray(), Is.EqualTo(first), $"input and output moved on by {alignment} floats");
        }
    }
}
