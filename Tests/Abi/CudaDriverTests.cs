using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nvrtc;
using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>The start of the libraries, and what they say of themselves and their devices.</summary>
[NonParallelizable]
public sealed class CudaDriverTests
{
    [Test]
    public void The_driver_is_asked_for_its_version_before_it_starts()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        device.StartLog();
        CudaDriver.Start(device.Driver);
        Assert.That(device.Log!.Calls, Is.EqualTo((string[])["cuDriverGetVersion(*)", "cuInit(0)", "cuDeviceGetCount(*)"]));
    }

    [Test]
    public void A_driver_that_is_too_old_is_not_started()
    {
        using SoftwareDevice device = SoftwareDevice.Start(new SoftwareDeviceOptions { DriverVersion = 11080 });
        device.StartLog();
        Assert.That(
            () => CudaDriver.Start(device.Driver),
            Throws.TypeOf<NativeLibraryException>().With.Message.Contains("serves CUDA 11.8; 12.0 or newer is needed")
                .And.Message.Contains("driver"));
        Assert.That(device.Log!.Calls, Is.EqualTo((string[])["cuDriverGetVersion(*)"]));
    }

    [TestCase("cuInit", 100, "CUDA_VISIBLE_DEVICES")]
    [TestCase("cuInit", 34, "stand-in")]
    [TestCase("cuInit", 802, "fabric manager")]
    [TestCase("cuInit", 803, "restart")]
    [TestCase("cuInit", 999, "start the process anew")]
    [TestCase("cuDeviceGetCount", 2, "memory is full")]
    [TestCase("cuDriverGetVersion", 1, "")]
    public void A_driver_that_does_not_start_says_which_function_failed_and_what_to_do(string function, int status, string remedy)
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        device.FailCall(function, 1, status);
        CudaException exception = Assert.Throws<CudaException>(() => CudaDriver.Start(device.Driver))!;
        string name = CudaResult.Name(status) is { Length: > 0 } known ? known : "unknown status";
        Assert.Multiple(() =>
        {
            Assert.That(exception.Message, Does.StartWith($"{function} failed: {name} ({status})").And.Contain(remedy));
            Assert.That(exception.Function, Is.EqualTo(function));
            Assert.That(exception.Status, Is.EqualTo(status));
            Assert.That(exception.IsNoDevice, Is.EqualTo(status == 100));
            Assert.That(exception.IsOutOfMemory, Is.EqualTo(status == 2));
            Assert.That(exception.IsSticky, Is.EqualTo(status == 999));
        });
    }

    [Test]
    public void No_device_is_an_error_however_the_driver_says_it([Values] bool starts)
    {
        using SoftwareDevice device = SoftwareDevice.Start(new SoftwareDeviceOptions { DeviceCount = 0, StartsWithoutDevices = starts });
        Assert.That(
            () => CudaDriver.Start(device.Driver),
            Throws.TypeOf<CudaException>().With.Property("IsNoDevice").True.And.Message.StartsWith(starts ? "cuDeviceGetCount" : "cuInit"));
    }

    [Test]
    public void Libraries_are_taken_from_any_source_of_functions()
    {
        using var session = new SoftwareSession();
        CudaLibraries libraries = session.Libraries;
        Assert.Multiple(() =>
        {
            Assert.That((libraries.Driver.Path, libraries.Driver.Version, libraries.Driver.Major), Is.EqualTo(("software libcuda", 12040, 12)));
            Assert.That((libraries.CuBlasLt.Path, libraries.CuBlasLt.Version), Is.EqualTo(("software libcublasLt", 120405L)));
            Assert.That((libraries.Nvrtc.Path, libraries.Nvrtc.Version), Is.EqualTo(("software libnvrtc", (12, 990))));
            Assert.That(libraries.Nvrtc.Architectures, Is.EqualTo(session.Device.Options.Architectures));
        });
    }

    [Test]
    public void A_compiler_without_its_builtins_says_where_they_belong()
    {
        using var session = new SoftwareSession();
        session.Device.FailCall("nvrtcCompileProgram", 1, NvrtcStatus.BuiltinOperationFailure);
        Assert.That(
            () => session.Libraries.Nvrtc.Compile("a.cu", "source", [], []),
            Throws.TypeOf<NvrtcException>().With.Message.Contains("libnvrtc-builtins must lie beside software libnvrtc"));
    }

    [Test]
    public void A_device_is_described_by_its_attributes()
    {
        using var session = new SoftwareSession(new SoftwareDeviceOptions
        {
            DeviceCount = 2, Major = 8, Minor = 9, Multiprocessors = 7, CacheBytes = 123, MaxGridX = 1000,
        });
        CudaDriver driver = session.Libraries.Driver;
        session.Device.StartLog();
        CudaDevice device = driver.Device(1);
        string[] calls = session.Device.Log!.Calls;
        Assert.Multiple(() =>
        {
            Assert.That(driver.DeviceCount, Is.EqualTo(2));
            Assert.That((device.Ordinal, device.Name, device.Handle), Is.EqualTo((1, SoftwareDevice.Name, session.Context.Device.Handle + 1)));
            Assert.That((device.Major, device.Minor, device.Architecture), Is.EqualTo((8, 9, 89)));
            Assert.That((device.Multiprocessors, device.CacheBytes), Is.EqualTo((7, 123)));
            Assert.That(device.MemoryBytes, Is.EqualTo(session.Device.Options.MemoryBytes));
            Assert.That((device.MaxBlockThreads, device.MaxMultiprocessorThreads), Is.EqualTo((1024, 2048)));
            Assert.That((device.MaxGridX, device.MaxGridY, device.MaxSharedBytes), Is.EqualTo((1000, 65535, 48 << 10)));

            // "software", and a last byte of the device's own.
            Assert.That(device.Uuid, Is.EqualTo("GPU-736f6674-7761-7265-0000-000000000001"));
            Assert.That(calls[0], Is.EqualTo("cuDeviceGet(*, 1)"));
            Assert.That(calls[1..], Has.All.EndsWith($"{device.Handle})"));
            Assert.That(() => driver.Device(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => driver.Device(2), Throws.TypeOf<ArgumentOutOfRangeException>());
        });
        session.End();
    }
}
