using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Calibration;

/// <summary>The kernels that options can ask for.</summary>
public sealed class KernelTests
{
    [Test]
    [Category("Mkl")]
    public void Every_kernel_of_mkl_gives_the_same_layer([Values] CpuKernel kernel, [Values(1, 3, 40)] int tokens)
    {
        MklUnderTest.Load();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 65, 130, bias: true);
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 4000);
        float[] input = RandomLayers.Rows(tokens, spec.DModel, 4001);
        var expected = new float[input.Length];
        var actual = new float[input.Length];
        using (FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed }))
        {
            using FfnLayer layer = engine.CreateLayer(spec, weights);
            layer.Forward(input, expected);
        }

        using (FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Mkl, Kernel = kernel }))
        {
            using FfnLayer layer = engine.CreateLayer(spec, weights);
            layer.Forward(input, actual);
        }

        float largest = expected.Max(Math.Abs);
        Assert.That(actual, Is.EqualTo(expected).Within(Tolerances.Reordered * largest));
        if (kernel == CpuKernel.Skinny)
        {
            Assert.That(actual, Is.EqualTo(expected));
        }
    }

    [Test]
    public void Managed_has_no_mkl_kernel() => Assert.That(
        static () => FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Kernel = CpuKernel.Mkl }),
        Throws.TypeOf<BackendUnavailableException>().With.Message.Contain("no MKL kernel"));
}
