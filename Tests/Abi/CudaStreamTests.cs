using NUnit.Framework;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Abi;

/// <summary>What is done on a stream, on a driver that writes down what it is asked.</summary>
[NonParallelizable]
public sealed unsafe class CudaStreamTests
{
    private CudaContext _context = null!;
    private CudaStream _stream = null!;

    [SetUp]
    public void Open()
    {
        CudaDriver driver = ScriptedDriver.Start();
        _context = CudaContext.RetainPrimary(driver, driver.Device(0));
        _stream = _context.CreateStream();
        ScriptedDriver.Forget();
    }

    [TearDown]
    public void Close()
    {
        ScriptedDriver.Reset();
        _stream.Dispose();
        _context.Dispose();
    }

    [Test]
    public void Copies_have_their_regions_lengths()
    {
        byte host = 0;
        _stream.CopyToDevice(&host, new DeviceRegion(0x2000, 8));
        _stream.CopyToHost(new DeviceRegion(0x2000, 16), &host);
        _stream.CopyOnDevice(new DeviceRegion(0x2000, 32), new DeviceRegion(0x2020, 32));
        _stream.Fill(new DeviceRegion(0x2000, 64), 7);

        // Nothing to do.
        _stream.CopyToDevice(null, default);
        _stream.CopyToHost(default, null);
        _stream.CopyOnDevice(default, default);
        _stream.Fill(default, 7);
        Assert.That(
            ScriptedDriver.Calls,
            Is.EqualTo(new[]
            {
                "cuMemcpyHtoDAsync_v2(0x2000, host, 8, 0x1001)", "cuMemcpyDtoHAsync_v2(host, 0x2000, 16, 0x1001)",
                "cuMemcpyDtoDAsync_v2(0x2020, 0x2000, 32, 0x1001)", "cuMemsetD8Async(0x2000, 7, 64, 0x1001)",
            }));
    }

    [Test]
    public void Copies_that_do_not_fit_are_refused_before_they_cross()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => _stream.CopyToDevice(null, new DeviceRegion(0x2000, 8)), Throws.ArgumentNullException);
            Assert.That(() => _stream.CopyToHost(new DeviceRegion(0x2000, 8), null), Throws.ArgumentNullException);
            Assert.That(() => _stream.CopyOnDevice(new DeviceRegion(0x2000, 8), new DeviceRegion(0x3000, 9)), Throws.ArgumentException);
            Assert.That(() => _stream.CopyOnDevice(new DeviceRegion(0x2000, 8), new DeviceRegion(0x2007, 8)), Throws.ArgumentException);
            Assert.That(ScriptedDriver.Calls, Is.Empty);
        });
    }

    [Test]
    public void A_kernel_is_launched_with_its_argument()
    {
        using CudaModule module = _context.LoadModule("image"u8);
        CudaKernel kernel = module.Kernel("scale_rows");
        int argument = 4711;
        ScriptedDriver.Forget();
        _stream.Launch(kernel, new LaunchShape(3, 5, 256, 128), &argument);
        _stream.Launch(kernel, new LaunchShape(ScriptedDriver.MaxGridX, ScriptedDriver.MaxGridY, ScriptedDriver.MaxBlockThreads), &argument);
        Assert.Multiple(() =>
        {
            Assert.That(
                ScriptedDriver.Calls,
                Is.EqualTo(new[]
                {
                    "cuLaunchKernel(0x1003, 3, 5, 1, 256, 1, 1, 128, 0x1001, first 4711, 0)",
                    "cuLaunchKernel(0x1003, 1000, 65535, 1, 512, 1, 1, 0, 0x1001, first 4711, 0)",
                }));
            Assert.That(kernel.Name, Is.EqualTo("scale_rows"));
            Assert.That(kernel.Module, Is.SameAs(module));
        });
    }

    [TestCase(0, 1, 1, 0)]
    [TestCase(1, 0, 1, 0)]
    [TestCase(1, 1, 0, 0)]
    [TestCase(-1, 1, 1, 0)]
    [TestCase(ScriptedDriver.MaxGridX + 1, 1, 1, 0)]
    [TestCase(1, ScriptedDriver.MaxGridY + 1, 1, 0)]
    [TestCase(1, 1, ScriptedDriver.MaxBlockThreads + 1, 0)]
    [TestCase(1, 1, 1, -1)]
    [TestCase(1, 1, 1, ScriptedDriver.MaxSharedBytes + 1)]
    public void A_launch_that_the_device_cannot_run_is_refused_before_it_crosses(int gridX, int gridY, int blockX, int sharedBytes)
    {
        using CudaModule module = _context.LoadModule("image"u8);
        CudaKernel kernel = module.Kernel("k");
        ScriptedDriver.Forget();
        Assert.Multiple(() =>
        {
            Assert.That(() => Launch(kernel, new LaunchShape(gridX, gridY, blockX, sharedBytes)), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => _stream.Launch(kernel, new LaunchShape(1, 1, 1), null), Throws.ArgumentNullException);
            Assert.That(ScriptedDriver.Calls, Is.Empty);
        });
    }

    [Test]
    public void What_was_disposed_or_is_another_contexts_is_refused()
    {
        using CudaContext other = CudaContext.RetainPrimary(_context.Driver, _context.Device);
        using CudaModule elsewhere = other.LoadModule("image"u8);
        using CudaEvent foreign = other.CreateEvent(timing: false);
        CudaModule module = _context.LoadModule("image"u8);
        CudaKernel kernel = module.Kernel("k");
        CudaEvent gone = _context.CreateEvent(timing: false);
        module.Dispose();
        gone.Dispose();
        CudaKernel elsewhereKernel = elsewhere.Kernel("k");
        ScriptedDriver.Forget();
        Assert.Multiple(() =>
        {
            Assert.That(() => Launch(kernel, new LaunchShape(1, 1, 1)), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => Launch(elsewhereKernel, new LaunchShape(1, 1, 1)), Throws.ArgumentException);
            Assert.That(() => _stream.Record(gone), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => _stream.Wait(gone), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => _stream.Record(foreign), Throws.ArgumentException);
            Assert.That(ScriptedDriver.Calls, Is.Empty);
        });

        // Other contexts' events may be waited for.
        _stream.Wait(foreign);
        _stream.Dispose();
        Assert.That(_stream.Synchronize, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Events_are_recorded_waited_for_and_timed()
    {
        using CudaEvent start = _context.CreateEvent(timing: true);
        using CudaEvent end = _context.CreateEvent(timing: true);
        ScriptedDriver.Forget();
        _stream.Record(start);
        _stream.Wait(start);
        Assert.That(end.MillisecondsSince(start), Is.EqualTo(1.5f));
        Assert.That(
            ScriptedDriver.Calls,
            Is.EqualTo(new[] { "cuEventRecord(0x1002, 0x1001)", "cuStreamWaitEvent(0x1001, 0x1002, 0)", "cuEventElapsedTime(0x1002, 0x1003)" }));
        Assert.That(end.IsDone && _stream.IsDone, Is.True);
        ScriptedDriver.Answer("cuEventQuery", 600);
        ScriptedDriver.Answer("cuStreamQuery", 600);
        Assert.That(end.IsDone || _stream.IsDone, Is.False);
        ScriptedDriver.Answer("cuEventQuery", 719);
        ScriptedDriver.Answer("cuStreamQuery", 719);
        Assert.That(() => end.IsDone, Throws.TypeOf<CudaException>());
        Assert.That(() => _stream.IsDone, Throws.TypeOf<CudaException>());
        Assert.That(_context.IsLost, Is.True);
    }

    [Test]
    public void A_graph_that_cannot_be_made_ready_is_destroyed()
    {
        _stream.BeginCapture();
        ScriptedDriver.Answer("cuGraphInstantiateWithFlags", 2);
        Assert.That(() => _stream.EndCapture(), Throws.TypeOf<CudaException>().With.Property(nameof(CudaException.IsOutOfMemory)).EqualTo(true));
        Assert.That(ScriptedDriver.Calls[^1], Is.EqualTo("cuGraphDestroy(0x1002)"));
    }

    [Test]
    public void A_graph_is_launched_on_a_stream()
    {
        _stream.BeginCapture();
        using CudaGraph graph = _stream.EndCapture();
        ScriptedDriver.Forget();
        _stream.Launch(graph);
        Assert.That(ScriptedDriver.Calls, Is.EqualTo(new[] { "cuGraphLaunch(0x1003, 0x1001)" }));
    }

    [Test]
    public void A_spoilt_capture_is_an_error_and_can_be_abandoned()
    {
        _stream.BeginCapture();
        ScriptedDriver.Answer("cuStreamEndCapture", 901);
        ScriptedDriver.Answer("cuStreamIsCapturing", 2);
        Assert.That(_stream.IsCapturing, Is.True);
        Assert.That(
            () => _stream.EndCapture(), Throws.TypeOf<CudaException>().With.Property(nameof(CudaException.Status)).EqualTo(CudaStatus.StreamCaptureInvalidated));
        Assert.That(_stream.AbandonCapture, Throws.Nothing);
        Assert.That(ScriptedDriver.Calls, Has.None.Contains("cuGraphDestroy").And.None.Contains("cuGraphInstantiate"));
    }

    [Test]
    public void A_capture_that_is_abandoned_is_forgotten()
    {
        _stream.BeginCapture();
        ScriptedDriver.Answer("cuStreamIsCapturing", 1);
        ScriptedDriver.Forget();
        _stream.AbandonCapture();
        ScriptedDriver.Answer("cuStreamIsCapturing", 0);
        _stream.AbandonCapture();
        Assert.That(
            ScriptedDriver.Calls,
            Is.EqualTo(new[] { "cuStreamIsCapturing(0x1001)", "cuStreamEndCapture(0x1001)", "cuGraphDestroy(0x1002)", "cuStreamIsCapturing(0x1001)" }));
    }

    private void Launch(CudaKernel kernel, LaunchShape shape)
    {
        int argument = 0;
        _stream.Launch(kernel, shape, &argument);
    }
}
