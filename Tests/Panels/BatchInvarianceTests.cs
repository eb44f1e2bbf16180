using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>The panel kernels' promise: a token's bits depend on nothing but the token and the weights.</summary>
[Category("Managed")]
public sealed class BatchInvarianceTests
{
    private const int MostTokens = 600;

    // In groups of any kind, in one chunk and in several, of one size and of two.
    private static readonly int[] Counts = [2, 3, 5, 6, 8, 13, 24, 31, 64, 143, 145, 289, MostTokens];

    // Its second stage sums up three blocks of columns.
    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 37, 1050, bias: true)
        .WithNorms(new NormSpec(NormKind.Rms, 1e-5f), new NormSpec(NormKind.Layer, 1e-5f), new NormSpec(NormKind.Rms, 1e-5f));

    private static readonly float[] Rows = RandomLayers.Rows(MostTokens, Spec.DModel, 70);

    [Test]
    public void A_row_alone_is_the_row_among_others_on_any_number_of_threads([CpuPrecisions] FfnPrecision precision, [Values] FfnMode mode)
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 71);
        float[] alone = new float[Rows.Length];
        using (FfnEngine engine = TestBackends.Open(BackendKind.Managed, 1, precision))
        {
            using FfnLayer layer = engine.CreateLayer(Spec, weights);
            for (int t = 0; t < Rows.Length; t += Spec.DModel)
            {
                EngineTests.Forward(layer, mode, Rows.AsSpan(t, Spec.DModel), Rows.AsSpan(t, Spec.DModel), alone.AsSpan(t, Spec.DModel));
            }
        }

        foreach (int threads in (int[])[1, 2, 3, 7])
        {
            using FfnEngine engine = TestBackends.Open(BackendKind.Managed, threads, precision);
            using FfnLayer layer = engine.CreateLayer(Spec, weights);
            foreach (int count in Counts)
            {
                // Each thread count starts elsewhere, so that tokens change their places in groups.
                int first = Math.Min(threads - 1, MostTokens - count) * Spec.DModel;
                int length = count * Spec.DModel;
                float[] together = new float[length];
                EngineTests.Forward(layer, mode, Rows.AsSpan(first, length), Rows.AsSpan(first, length), together);
                if (!together.AsSpan().SequenceEqual(alone.AsSpan(first, length)))
                {
                    Assert.Fail($"{count} tokens, {threads} threads: element {together.AsSpan().CommonPrefixLength(alone.AsSpan(first, length))} differs.");
                }
            }
        }
    }

    [Test]
    public void Large_slices_and_the_panel_kernels_of_mkl_give_the_same_bits([CpuPrecisions] FfnPrecision precision)
    {
        MklUnderTest.Load();
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 72);
        float[][] outputs = [.. new[] { BackendKind.Managed, BackendKind.Mkl }.Select(backend =>
        {
            using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions
            {
                Backend = backend, Threads = 2, Kernel = CpuKernel.Panels, Precision = precision,
                MinimumSliceWork = backend == BackendKind.Mkl ? 1 : 1 << 20,
            });
            using FfnLayer layer = engine.CreateLayer(Spec, weights);
            return EngineTests.Forward(layer, FfnMode.Block, Rows);
        })];
        Assert.That(outputs[1].AsSpan().SequenceEqual(outputs[0]), Is.True);
    }
}
