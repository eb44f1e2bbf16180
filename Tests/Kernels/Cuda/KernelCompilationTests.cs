using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Bindings.Nvrtc;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>The kernels compiled by the real compiler, for devices that need not be there.</summary>
public class KernelCompilationTests
{
    // Ampere, Hopper and Blackwell: plain C conversions of e4m3, those of the instruction set, and whatever comes.
    private static readonly int[] Architectures = [80, 90, 100];

    // Eight tokens of e4m3 leave a few addresses without a register.
    private const int SpilledBytes = 64;

    [TestCase("F32")]
    [TestCase("BF16")]
    [TestCase("F16")]
    [TestCase("E4M3")]
    public void Every_kernel_compiles_and_keeps_its_numbers_in_registers(string precision)
    {
        var compiler = new NvrtcCompiler(CudaUnderTest.Nvrtc());
        foreach (int architecture in Architectures.Intersect(compiler.Architectures))
        {
            byte[] cubin = compiler.Compile(
                KernelSources.MainName, KernelSources.Main, KernelSources.Headers.AsSpan(),
                [$"--gpu-architecture=sm_{architecture}", "--std=c++17", $"-DNATIVEFFN_{precision}"]);
            Dictionary<string, int> frames = CubinFrames.Of(cubin);
            Counted.Add(KernelSources.Kernels.Length, $"CUDA kernels compiled for sm_{architecture}");
            using (Assert.EnterMultipleScope())
            {
                foreach (string kernel in KernelSources.Kernels)
                {
                    int allowed = precision == "E4M3" && kernel.EndsWith("_8", StringComparison.Ordinal) ? SpilledBytes : 0;
                    Assert.That(frames, Contains.Key(kernel));
                    Assert.That(
                        frames.GetValueOrDefault(kernel), Is.LessThanOrEqualTo(allowed), $"local memory of {kernel} on sm_{architecture}");
                }
            }
        }
    }

    [Test]
    public void A_program_without_a_precision_does_not_compile()
    {
        var compiler = new NvrtcCompiler(CudaUnderTest.Nvrtc());
        Assert.That(
            () => compiler.Compile(
                KernelSources.MainName, KernelSources.Main, KernelSources.Headers.AsSpan(), ["--gpu-architecture=sm_80"]),
            Throws.TypeOf<NvrtcException>().With.Message.Contains("NATIVEFFN_BF16"));
    }
}
