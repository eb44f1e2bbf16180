using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Gemm.Sgemm;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Autotuning;

/// <summary>The kernels that options can ask for.</summary>
public sealed class KernelTests
{
    [Test]
    [Category("Mkl")]
    public void Every_kernel_of_mkl_gives_the_same_layer(
        [Values] CpuKernel kernel, [Values(1, 3, 40)] int tokens, [CpuPrecisions] FfnPrecision precision)
    {
        MklUnderTest.Load();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 65, 130, bias: true);
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 4000);
        float[] input = RandomLayers.Rows(tokens, spec.DModel, 4001);
        var expected = new float[input.Length];
        var actual = new float[input.Length];
        using (FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Precision = precision }))
        {
            using FfnLayer layer = engine.CreateLayer(spec, weights);
            layer.Forward(input, expected);
        }

        using (FfnEngine engine = FfnEngine.Create(
            new FfnEngineOptions { Backend = BackendKind.Mkl, Kernel = kernel, Precision = precision }))
        {
            using FfnLayer layer = engine.CreateLayer(spec, weights);
            layer.Forward(input, actual);
            Assert.That(layer.Gemms, kernel switch
            {
                CpuKernel.Panels => Is.EqualTo("panels"),
                CpuKernel.Sgemm when precision == FfnPrecision.Float32 => Is.EqualTo("sgemm on rows"),
                CpuKernel.Sgemm => Is.EqualTo("sgemm on widened panels"),
                _ => Does.Match("^panels( to [0-9]+ tokens?, sgemm on widened panels beyond)?$|^sgemm on widened panels$"),
            });
        }

        float largest = expected.Max(Math.Abs);
        Assert.That(actual, Is.EqualTo(expected).Within((Tolerances.Reordered + (2 * StoredTokens.Loss(precision))) * largest));
        if (kernel == CpuKernel.Panels)
        {
            Assert.That(actual, Is.EqualTo(expected));
        }
    }

    // Wide enough that a trial with as many columns would not fit into memory, nor its bytes into 32 bits.
    [Test]
    [Category("Mkl")]
    public void The_widest_layers_are_measured_too([CpuPrecisions] FfnPrecision precision)
    {
        MklUnderTest.Load();
        const int Width = 600_000;
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, Width, 2, false));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 4002);
        float[] input = RandomLayers.Rows(1, Width, 4003);
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Mkl, Precision = precision });
        using FfnLayer layer = engine.CreateLayer(spec, weights);
        float[] output = new float[2];
        layer.Forward(input, output);
        Estimate expected = Oracle.Run(spec, StoredWeights.Of(precision, spec, weights), FfnMode.Ffn, input).Output;
        Tolerances.AssertClose(output, expected, Tolerances.Of(spec, precision), $"{precision}");
    }

    [TestCase(0, "b")]
    [TestCase(1, "a to 1 token, b beyond")]
    [TestCase(48, "a to 48 tokens, b beyond")]
    [TestCase(int.MaxValue, "a")]
    public void Which_gemm_multiplies_how_many_tokens_is_told(int mostFew, string expected)
    {
        var product = new NoProduct();
        string text = new GemmChoice(new PanelGemm(), new LibraryPanelGemm(product), mostFew).ToString();
        string told = text.Replace("sgemm on widened panels", "b", StringComparison.Ordinal)
            .Replace("panels", "a", StringComparison.Ordinal);
        Assert.That(told, Is.EqualTo(expected));
    }

    [Test]
    public void Where_nothing_multiplies_every_gemm_says_why() => Assert.That(
        static () => new GemmList(FfnPrecision.Float32, CpuKernel.Sgemm).LayoutOf(
        [
            new StageWeights(new FfnStage(FfnKind.Relu, 1, 1, HasBias: false), PanelKernel.Of(WeightEncodings.Float32)),
        ]),
        Throws.TypeOf<NotSupportedException>().With.Message.Contains("Nothing multiplies f32")
            .And.Message.Contains("panels: the options ask for kernel sgemm.")
            .And.Message.Contains("sgemm on rows: the backend has no library."));

    [Test]
    public void Managed_has_no_sgemm() => Assert.That(
        static () => FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Kernel = CpuKernel.Sgemm }),
        Throws.TypeOf<BackendUnavailableException>().With.Message.Contain("no sgemm"));

    private sealed unsafe class NoProduct : IMatrixProduct
    {
        public void Multiply(
            int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate) =>
            throw new NotSupportedException();
    }
}
