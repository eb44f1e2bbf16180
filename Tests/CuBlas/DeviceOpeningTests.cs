using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>What an engine says where it cannot be opened on a GPU, and what <c>auto</c> takes then.</summary>
public sealed class DeviceOpeningTests : DeviceTests
{
    [Test]
    public void An_engine_says_what_it_runs_on()
    {
        Start(new SoftwareDeviceOptions());
        using FfnEngine engine = Open();
        Assert.That(
            engine.Backend.Version,
            Does.Contain("cuBLASLt 12.4.5").And.Contain("driver 12.4").And.Contain(SoftwareDevice.Name).And.Contain("sm_90, device 0"));
        Assert.That(engine.Backend.Path, Is.EqualTo("software libcublasLt"));
        Assert.That(engine.Failure, Is.Null);
    }

    [Test]
    public void A_machine_without_a_device_says_so() =>
        AssertRefused(new SoftwareDeviceOptions { DeviceCount = 0 }, FfnPrecision.Float32, "cuInit", "sees no NVIDIA GPU");

    [Test]
    public void An_old_driver_is_told_with_its_version() =>
        AssertRefused(new SoftwareDeviceOptions { DriverVersion = 11080 }, FfnPrecision.Float32, "software libcuda", "11.8", "12.0");

    [TestCase("cublasLtMatmul", "software libcublasLt")]
    [TestCase("nvrtcGetCUBIN", "software libnvrtc")]
    [TestCase("cuGraphLaunch", "software libcuda")]
    public void A_function_that_a_library_lacks_is_named(string function, string library) =>
        AssertRefused(new SoftwareDeviceOptions { MissingFunctions = [function] }, FfnPrecision.Float32, library, function);

    [Test]
    public void A_device_before_Ampere_is_refused_with_its_capability() =>
        AssertRefused(new SoftwareDeviceOptions { Major = 7, Minor = 5 }, FfnPrecision.Float32, "compute capability 7.5", "8.0");

    [Test]
    public void A_device_newer_than_the_compiler_is_refused_with_the_compilers_file() =>
        AssertRefused(new SoftwareDeviceOptions { Major = 12, Minor = 1 }, FfnPrecision.Float32, "12.1", "NVRTC 12.990", "software libnvrtc");

    [Test]
    public void Float8_is_refused_where_the_matrix_units_have_none()
    {
        AssertRefused(new SoftwareDeviceOptions { Major = 8 }, FfnPrecision.Float8, "fp8", "8.9", "8.0", "bf16");
        Start(new SoftwareDeviceOptions { Major = 8, Minor = 9 });
        Open(FfnPrecision.Float8).Dispose();
    }

    [Test]
    public void A_device_that_is_not_there_is_refused_with_how_many_are()
    {
        Start(new SoftwareDeviceOptions { DeviceCount = 2 });
        Assert.That(
            () => FfnEngine.Create(Options() with { Device = 2 }),
            Throws.TypeOf<BackendUnavailableException>().With.Message.Contains("no device 2").And.Message.Contains("sees 2"));
        using FfnEngine second = FfnEngine.Create(Options() with { Device = 1 });
        Assert.That(second.Backend.Version, Does.Contain("device 1"));
        Assert.That(() => FfnEngine.Create(Options() with { Device = -1 }), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Auto_takes_another_backend_and_says_why()
    {
        using SoftwareDevice device = SoftwareDevice.Start(new SoftwareDeviceOptions { Major = 7, Minor = 5 });
        using FfnEngine engine = FfnEngine.Create(Options(device: device) with { Backend = BackendKind.Auto });
        Assert.That(engine.Backend.Kind, Is.Not.EqualTo(BackendKind.CuBlas));
        BackendCandidate passedOver = engine.Selection.Candidates[0];
        Assert.That(passedOver.Kind, Is.EqualTo(BackendKind.CuBlas));
        Assert.That(passedOver.Reason, Does.Contain("compute capability 7.5"));
        Assert.That(engine.Selection.ToString(), Does.Contain("cublas: ").And.Contain("7.5"));
        device.AssertClean();
    }

    [Test]
    public void Auto_takes_the_device_where_there_is_one()
    {
        Start();
        using FfnEngine engine = FfnEngine.Create(Options() with { Backend = BackendKind.Auto });
        Assert.That(engine.Backend.Kind, Is.EqualTo(BackendKind.CuBlas));
    }

    [TestCase(BackendKind.Managed, FfnPrecision.Tf32, "tf32", "auto, stored, f32, bf16, f16, int8, int4, w8a8, w4a8, fp8")]
    [TestCase(BackendKind.Mkl, FfnPrecision.Tf32, "tf32", "auto, stored, f32, bf16, f16, int8, int4, w8a8, w4a8, fp8")]
    [TestCase(BackendKind.Reference, FfnPrecision.BFloat16, "bf16", "auto, stored, f32")]
    [TestCase(BackendKind.CuBlas, FfnPrecision.Int8, "int8", "auto, stored, f32, tf32, bf16, f16, fp8")]
    public void A_precision_that_a_backend_lacks_is_refused_with_those_that_it_has(
        BackendKind backend, FfnPrecision precision, string name, string others)
    {
        Start();
        Assert.That(
            () => FfnEngine.Create(Options(precision) with { Backend = backend }),
            Throws.TypeOf<BackendUnavailableException>().With.Property("Kind").EqualTo(backend)
                .And.Message.Contains($"no precision {name}").And.Message.Contains($"It has {others}."));
    }

    [Test]
    public void A_context_that_is_none_is_refused()
    {
        Start();
        Assert.That(
            () => FfnEngine.Create(Options() with { CudaContext = 0x1234 }),
            Throws.TypeOf<BackendUnavailableException>().With.Message.Contains("cuCtxPushCurrent_v2"));
        Assert.That(Device.TakeViolations(), Has.Length.EqualTo(1), "the software device says so too");
    }

    private static void AssertRefused(SoftwareDeviceOptions options, FfnPrecision precision, params string[] words)
    {
        using SoftwareDevice device = SoftwareDevice.Start(options);
        var refused = Assert.Throws<BackendUnavailableException>(() => Open(precision).Dispose())!;
        Assert.That(refused.Kind, Is.EqualTo(BackendKind.CuBlas));
        Assert.Multiple(() =>
        {
            foreach (string word in words)
            {
                Assert.That(refused.Reason, Does.Contain(word));
            }
        });
        device.AssertClean();
    }
}
