using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Handles;
using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Abi;

/// <summary>What handles and streams ask of the driver, call by call.</summary>
[NonParallelizable]
public sealed unsafe class CudaCallTests
{
    private SoftwareSession _session = null!;
    private CudaStream _stream = null!;

    private CudaContext Context => _session.Context;

    private string[] Calls => _session.Device.Log!.Calls;

    // The first stream, Stream1, is the tests' own.
    [SetUp]
    public void Open()
    {
        _session = new SoftwareSession(new SoftwareDeviceOptions { MaxGridX = 1000 });
        _stream = Context.CreateStream();
        _session.Device.StartLog();
    }

    [TearDown]
    public void Close()
    {
        _stream.Dispose();
        _session.Dispose();
    }

    [Test]
    public void Everything_is_made_with_its_flags_and_freed_by_its_function()
    {
        byte[] image = CudaScenario.Compile(_session.Libraries);
        nint foreign = _session.Foreign.CreateStream();
        _session.Device.StartLog();
        DeviceMemory memory = Context.Allocate(100);
        nint address = memory.Region.Address;
        memory.Dispose();
        Context.AllocatePinned(64).Dispose();
        Context.LoadModule(image).Dispose();
        Context.CreateEvent(timing: false).Dispose();
        Context.CreateEvent(timing: true).Dispose();
        Context.AdoptStream(0).Dispose();
        Context.AdoptStream(1).Dispose();
        Context.AdoptStream(foreign).Dispose();
        using (CudaStream stream = Context.CreateStream())
        {
            stream.BeginCapture();
            stream.EndCapture().Dispose();
        }

        Assert.That(Calls, Is.EqualTo((string[])
        [
            "cuMemAlloc_v2(*, 100)", $"cuMemFree_v2(0x{address:x})", "cuMemHostAlloc(*, 64, 1)", "cuMemFreeHost(*)",
            "cuModuleLoadData(*, *)", "cuModuleUnload(Module1)", "cuEventCreate(*, 3)", "cuEventDestroy_v2(Event1)", "cuEventCreate(*, 1)",
            "cuEventDestroy_v2(Event2)", "cuStreamGetCtx(Stream2, *)", "cuStreamCreate(*, 1)", "cuStreamBeginCapture_v2(Stream3, 1)",
            "cuStreamEndCapture(Stream3, *)", "cuGraphInstantiateWithFlags(*, Graph1, 0)", "cuGraphDestroy(Graph1)",
            "cuGraphExecDestroy(GraphExec1)", "cuStreamDestroy_v2(Stream3)",
        ]));
    }

    [Test]
    public void Copies_have_their_regions_lengths()
    {
        nint address = _session.Foreign.Allocate(64);
        long* host = stackalloc long[2];
        _stream.CopyToDevice(host, new DeviceRegion(address, 8));
        _stream.CopyToHost(new DeviceRegion(address, 16), host);
        _stream.CopyOnDevice(new DeviceRegion(address, 32), new DeviceRegion(address + 32, 32));
        _stream.Fill(new DeviceRegion(address, 64), 7);

        // Nothing to do.
        _stream.CopyToDevice(null, default);
        _stream.CopyToHost(default, null);
        _stream.CopyOnDevice(default, default);
        _stream.Fill(default, 7);
        Assert.That(Calls, Is.EqualTo((string[])
        [
            $"cuMemcpyHtoDAsync_v2(0x{address:x}, *, 8, Stream1)", $"cuMemcpyDtoHAsync_v2(*, 0x{address:x}, 16, Stream1)",
            $"cuMemcpyDtoDAsync_v2(0x{address + 32:x}, 0x{address:x}, 32, Stream1)", $"cuMemsetD8Async(0x{address:x}, 7, 64, Stream1)",
        ]));
        _stream.Synchronize();
    }

    [Test]
    public void What_does_not_fit_is_refused_before_it_crosses()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => _stream.CopyToDevice(null, new DeviceRegion(0x2000, 8)), Throws.ArgumentNullException);
            Assert.That(() => _stream.CopyToHost(new DeviceRegion(0x2000, 8), null), Throws.ArgumentNullException);
            Assert.That(() => _stream.CopyOnDevice(new DeviceRegion(0x2000, 8), new DeviceRegion(0x3000, 9)), Throws.ArgumentException);
            Assert.That(() => _stream.CopyOnDevice(new DeviceRegion(0x2000, 8), new DeviceRegion(0x2007, 8)), Throws.ArgumentException);
            Assert.That(() => Context.Allocate(0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => Context.AllocatePinned(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => Context.LoadModule([]), Throws.ArgumentException);
            Assert.That(Calls, Is.Empty);
        });
    }

    [Test]
    public void A_kernel_is_launched_with_its_argument()
    {
        using CudaModule module = _session.Module(ModulePrecision.All[0]);
        CudaKernel kernel = module.Kernel("activate_result");
        _session.Device.StartLog();
        Launch(kernel, new LaunchShape(3, 5, 256, 128));
        Launch(kernel, new LaunchShape(1000, 65535, 256));
        Assert.Multiple(() =>
        {
            Assert.That(Calls, Is.EqualTo((string[])
            [
                "cuLaunchKernel(Function1, 3, 5, 1, 256, 1, 1, 128, Stream1, *, 0)",
                "cuLaunchKernel(Function1, 1000, 65535, 1, 256, 1, 1, 0, Stream1, *, 0)",
            ]));
            Assert.That(kernel.Name, Is.EqualTo("activate_result"));
            Assert.That(kernel.Module, Is.SameAs(module));
        });
    }

    [TestCase(0, 1, 1, 0)]
    [TestCase(1, 0, 1, 0)]
    [TestCase(1, 1, 0, 0)]
    [TestCase(-1, 1, 1, 0)]
    [TestCase(1001, 1, 1, 0)]
    [TestCase(1, 65536, 1, 0)]
    [TestCase(1, 1, 1025, 0)]
    [TestCase(1, 1, 1, -1)]
    [TestCase(1, 1, 1, (48 << 10) + 1)]
    public void A_launch_that_the_device_cannot_run_is_refused_before_it_crosses(int gridX, int gridY, int blockX, int sharedBytes)
    {
        using CudaModule module = _session.Module(ModulePrecision.All[0]);
        CudaKernel kernel = module.Kernel("finish");
        _session.Device.StartLog();
        Assert.Multiple(() =>
        {
            Assert.That(() => Launch(kernel, new LaunchShape(gridX, gridY, blockX, sharedBytes)), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => _stream.Launch(kernel, new LaunchShape(1, 1, 1), null), Throws.ArgumentNullException);
            Assert.That(Calls, Is.Empty);
        });
    }

    [Test]
    public void Events_are_recorded_asked_and_timed()
    {
        using CudaEvent start = Context.CreateEvent(timing: true);
        using CudaEvent end = Context.CreateEvent(timing: true);
        DeviceRegion memory = _session.Floats(1, 2);
        _session.Device.StartLog();
        _stream.Record(start);
        _stream.Fill(memory, 0);
        _stream.Record(end);
        Assert.That(end.IsDone || _stream.IsDone, Is.False);
        end.Synchronize();
        Assert.That(end.IsDone && _stream.IsDone, Is.True);
        _ = end.MillisecondsSince(start);
        Assert.That(Calls, Is.EqualTo((string[])
        [
            "cuEventRecord(Event1, Stream1)", $"cuMemsetD8Async(0x{memory.Address:x}, 0, 8, Stream1)", "cuEventRecord(Event2, Stream1)",
            "cuEventQuery(Event2)", "cuStreamQuery(Stream1)", "cuEventSynchronize(Event2)", "cuEventQuery(Event2)", "cuStreamQuery(Stream1)",
            "cuEventElapsedTime(*, Event1, Event2)",
        ]));
        _session.Device.FailCall("cuEventQuery", 1, CudaResult.LaunchFailed);
        Assert.That(() => end.IsDone, Throws.TypeOf<CudaException>());
        Assert.That(() => _stream.IsDone, Throws.TypeOf<CudaException>());
        Assert.That(Context.IsLost, Is.True);
    }

    private void Launch(CudaKernel kernel, LaunchShape shape)
    {
        ActivationArguments argument = default;
        _stream.Launch(kernel, shape, &argument);
    }
}
