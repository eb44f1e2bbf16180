using System.Runtime.InteropServices;
using NUnit.Framework;
using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nvrtc;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Abi;

/// <summary>Driver, context and resources, on a driver that writes down what it is asked.</summary>
[NonParallelizable]
public sealed unsafe class CudaDriverTests
{
    private CudaDriver _driver = null!;
    private CudaContext _context = null!;

    [SetUp]
    public void Open()
    {
        _driver = ScriptedDriver.Start();
        _context = CudaContext.RetainPrimary(_driver, _driver.Device(0));
        ScriptedDriver.Forget();
    }

    [TearDown]
    public void Close()
    {
        ScriptedDriver.Reset();
        _context.Dispose();
        Assert.That(ScriptedDriver.Depth, Is.Zero, "what was pushed was popped");
    }

    [Test]
    public void The_driver_is_asked_for_its_version_before_it_starts()
    {
        ScriptedDriver.Start();
        Assert.That(ScriptedDriver.Calls, Is.EqualTo(new[] { "cuDriverGetVersion", "cuInit(0)", "cuDeviceGetCount" }));
    }

    [Test]
    public void A_driver_that_is_too_old_is_not_started()
    {
        ScriptedDriver.Reset();
        ScriptedDriver.Version = 11080;
        Assert.That(
            static () => CudaDriver.Start(ScriptedDriver.Symbols()),
            Throws.TypeOf<NativeLibraryException>().With.Message.Contains("serves CUDA 11.8; 12.0 or newer is needed").And.Message.Contains("driver"));
        Assert.That(ScriptedDriver.Calls, Is.EqualTo(new[] { "cuDriverGetVersion" }));
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
        ScriptedDriver.Reset();
        ScriptedDriver.Answer(function, status);
        CudaException? exception = Assert.Throws<CudaException>(static () => CudaDriver.Start(ScriptedDriver.Symbols()));
        Assert.Multiple(() =>
        {
            Assert.That(exception!.Message, Does.StartWith($"{function} failed: STATUS_{status} ({status})").And.Contain(remedy));
            Assert.That(exception.Function, Is.EqualTo(function));
            Assert.That(exception.Status, Is.EqualTo(status));
            Assert.That(exception.IsNoDevice, Is.EqualTo(status == 100));
            Assert.That(exception.IsOutOfMemory, Is.EqualTo(status == 2));
            Assert.That(exception.IsSticky, Is.EqualTo(status == 999));
        });
    }

    [Test]
    public void No_device_is_an_error_however_the_driver_says_it()
    {
        ScriptedDriver.Reset();
        ScriptedDriver.DeviceCount = 0;
        Assert.That(
            static () => CudaDriver.Start(ScriptedDriver.Symbols()),
            Throws.TypeOf<CudaException>().With.Property(nameof(CudaException.IsNoDevice)).EqualTo(true));
    }

    [Test]
    public void Libraries_are_taken_from_any_source_of_functions()
    {
        var nvrtc = new ScriptedSymbols([]);
        ScriptedSymbols cublasLt = ScriptedCuBlasLt.Symbols();
        var libraries = new CudaLibraries(ScriptedDriver.Symbols(), cublasLt, nvrtc);
        Assert.Multiple(() =>
        {
            Assert.That(libraries.Driver.DeviceCount, Is.EqualTo(1));
            Assert.That(libraries.CuBlasLt.Version, Is.EqualTo(120405));
            Assert.That(libraries.CuBlasLt.Path, Is.EqualTo(cublasLt.Path));
            Assert.That(libraries.Nvrtc.Architectures, Is.Empty);
            Assert.That(libraries.Driver.Path, Is.EqualTo("scripted library"));
        });
    }

    [Test]
    public void A_compiler_without_its_builtins_says_where_they_belong()
    {
        var compiler = new NvrtcCompiler(new ScriptedSymbols(new() { ["nvrtcCompileProgram"] = (nint)(delegate* unmanaged<int>)&Seven }));
        Assert.That(
            () => compiler.Compile("a.cu", "source", [], []),
            Throws.TypeOf<NvrtcException>().With.Message.Contains("libnvrtc-builtins must lie beside scripted library"));
    }

    [Test]
    public void A_device_is_described_by_its_attributes()
    {
        CudaDevice device = _driver.Device(0);
        Assert.Multiple(() =>
        {
            Assert.That(_driver.Version, Is.EqualTo(12040));
            Assert.That(_driver.Major, Is.EqualTo(12));
            Assert.That(device.Ordinal, Is.Zero);
            Assert.That(device.Handle, Is.EqualTo(40));
            Assert.That(device.Name, Is.EqualTo("Scripted GPU"));
            Assert.That(device.Uuid, Is.EqualTo("GPU-10111213-1415-1617-1819-1a1b1c1d1e1f"));
            Assert.That((device.Major, device.Minor), Is.EqualTo((75000, 76000)));
            Assert.That(device.Architecture, Is.EqualTo(826000));
            Assert.That(device.Multiprocessors, Is.EqualTo(16000));
            Assert.That(device.CacheBytes, Is.EqualTo(38000));
            Assert.That(device.MemoryBytes, Is.EqualTo(80L << 30));
            Assert.That(device.MaxMultiprocessorThreads, Is.EqualTo(39000));
            Assert.That(
                (device.MaxGridX, device.MaxGridY, device.MaxBlockThreads, device.MaxSharedBytes),
                Is.EqualTo((ScriptedDriver.MaxGridX, ScriptedDriver.MaxGridY, ScriptedDriver.MaxBlockThreads, ScriptedDriver.MaxSharedBytes)));
            Assert.That(ScriptedDriver.Calls[0], Is.EqualTo("cuDeviceGet(0)"));
            Assert.That(ScriptedDriver.Calls[1..], Has.All.EndsWith("40)"));
            Assert.That(() => _driver.Device(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => _driver.Device(1), Throws.TypeOf<ArgumentOutOfRangeException>());
        });
    }

    [Test]
    public void A_foreign_context_is_used_with_its_device_and_never_released()
    {
        using (CudaContext adopted = CudaContext.Adopt(_driver, ScriptedDriver.Context))
        {
            Assert.That(adopted.Device.Handle, Is.EqualTo(40));
            Assert.That(adopted.MemoryInfo(), Is.EqualTo((12L, 34L)));
        }

        Assert.Multiple(() =>
        {
            Assert.That(ScriptedDriver.Calls, Has.None.Contains("Release"));
            Assert.That(() => CudaContext.Adopt(_driver, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => CudaContext.Adopt(_driver, 0x78), Throws.TypeOf<CudaException>());
        });
    }

    [Test]
    public void A_context_outlives_what_was_made_in_it()
    {
        DeviceMemory memory = _context.Allocate(100);
        CudaModule module = _context.LoadModule("image"u8);
        _context.Dispose();
        Assert.That(ScriptedDriver.Calls, Has.None.Contains("Release"));
        memory.Dispose();
        module.Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(
                ScriptedDriver.Calls,
                Is.EqualTo(new[]
                {
                    "cuMemAlloc_v2(100)", "cuModuleLoadData(image)", "cuMemFree_v2(0x1001 at depth 1)", "cuModuleUnload(0x1002)",
                    "cuDevicePrimaryCtxRelease_v2(40)",
                }));
            Assert.That(() => _context.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => memory.Region, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => module.Kernel("k"), Throws.TypeOf<ObjectDisposedException>());
        });
    }

    [Test]
    public void Everything_is_made_with_its_flags_and_freed_by_its_function()
    {
        _context.AllocatePinned(64).Dispose();
        _context.CreateStream().Dispose();
        _context.CreateEvent(timing: false).Dispose();
        _context.CreateEvent(timing: true).Dispose();
        _context.AdoptStream(0).Dispose();
        _context.AdoptStream(0x55).Dispose();
        using (CudaStream stream = _context.CreateStream())
        {
            stream.BeginCapture();
            stream.EndCapture().Dispose();
        }

        Assert.That(
            ScriptedDriver.Calls,
            Is.EqualTo(new[]
            {
                "cuMemHostAlloc(64, 1)", "cuMemFreeHost(0x1001)", "cuStreamCreate(1)", "cuStreamDestroy_v2(0x1002)", "cuEventCreate(3)",
                "cuEventDestroy_v2(0x1003)", "cuEventCreate(1)", "cuEventDestroy_v2(0x1004)", "cuStreamGetCtx(0x55)",
                "cuStreamCreate(1)",
                "cuStreamBeginCapture_v2(0x1005, 1)", "cuStreamEndCapture(0x1005)", "cuGraphInstantiateWithFlags(0x1006, 0)",
                "cuGraphDestroy(0x1006)", "cuGraphExecDestroy(0x1007)", "cuStreamDestroy_v2(0x1005)",
            }));
    }

    [TestCase("cuMemAlloc_v2")]
    [TestCase("cuMemHostAlloc")]
    [TestCase("cuStreamCreate")]
    [TestCase("cuEventCreate")]
    [TestCase("cuModuleLoadData")]
    [TestCase("cuCtxPushCurrent_v2")]
    public void What_cannot_be_made_leaves_nothing_behind(string function)
    {
        ScriptedDriver.Answer(function, 2);
        Action[] all =
        [
            () => _context.Allocate(1), () => _context.AllocatePinned(1), () => _context.CreateStream(), () => _context.CreateEvent(timing: false),
            () => _context.LoadModule("image"u8),
        ];
        int failed = 0;
        foreach (Action make in all)
        {
            try
            {
                make();
            }
            catch (CudaException exception)
            {
                Assert.That(exception.IsOutOfMemory && exception.Function == function, Is.True, exception.Message);
                failed++;
            }
        }

        Assert.That(failed, Is.EqualTo(function == "cuCtxPushCurrent_v2" ? all.Length : 1));
        ScriptedDriver.Answer(function, 0);
        Collect();
        _context.Dispose();
        Assert.That(ScriptedDriver.Calls[^1], Is.EqualTo("cuDevicePrimaryCtxRelease_v2(40)"), "no failed resource holds the context");

        // Resources that were made and forgotten are freed by the collector, before the context.
        static void Collect()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    [Test]
    public void A_failure_to_free_is_kept_and_told_once()
    {
        DeviceMemory first = _context.Allocate(1);
        DeviceMemory second = _context.Allocate(1);
        ScriptedDriver.Answer("cuMemFree_v2", 1);
        Assert.That(first.Dispose, Throws.Nothing);
        CudaException? kept = _context.FreeFailure;
        ScriptedDriver.Answer("cuMemFree_v2", 400);
        second.Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(kept!.Function, Is.EqualTo("cuMemFree_v2"));
            Assert.That(_context.FreeFailure, Is.SameAs(kept), "the first");
            Assert.That(_context.IsLost, Is.False);
            Assert.That(() => _context.CreateStream(), Throws.Exception.SameAs(kept));
            Assert.That(_context.FreeFailure, Is.Null);
            Assert.That(() => _context.CreateStream().Dispose(), Throws.Nothing);
        });
    }

    [Test]
    public void A_lost_context_is_known_and_frees_in_silence()
    {
        DeviceMemory memory = _context.Allocate(1);
        CudaStream stream = _context.CreateStream();
        ScriptedDriver.Answer("cuStreamSynchronize", 700);
        ScriptedDriver.Answer("cuMemFree_v2", 700);
        ScriptedDriver.Answer("cuStreamDestroy_v2", 700);
        Assert.That(stream.Synchronize, Throws.TypeOf<CudaException>().With.Property(nameof(CudaException.IsSticky)).EqualTo(true));
        stream.Dispose();
        memory.Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(_context.IsLost, Is.True);
            Assert.That(_context.FreeFailure, Is.Null);
            Assert.That(ScriptedDriver.Calls, Does.Contain("cuMemFree_v2(0x1001 at depth 1)"), "it is freed all the same");
        });
    }

    [Test]
    public void A_loss_that_shows_first_when_freeing_is_told()
    {
        DeviceMemory memory = _context.Allocate(1);
        ScriptedDriver.Answer("cuMemFree_v2", 719);
        memory.Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(_context.IsLost, Is.True);
            Assert.That(() => _context.Allocate(1), Throws.TypeOf<CudaException>().With.Property(nameof(CudaException.Status)).EqualTo(719));
        });
    }

    [Test]
    public void A_resource_whose_context_cannot_be_entered_is_let_go_with_the_failure_kept()
    {
        DeviceMemory memory = _context.Allocate(1);
        ScriptedDriver.Answer("cuCtxPushCurrent_v2", 201);
        memory.Dispose();
        ScriptedDriver.Answer("cuCtxPushCurrent_v2", 0);
        _context.Dispose();
        Assert.Multiple(() =>
        {
            Assert.That(_context.FreeFailure!.Function, Is.EqualTo("cuCtxPushCurrent_v2"));
            Assert.That(ScriptedDriver.Calls[^1], Is.EqualTo("cuDevicePrimaryCtxRelease_v2(40)"));
        });
    }

    [TestCase(2, 0, 0x5000, 100, 0x5000, 100, null)]
    [TestCase(2, 0, 0x5000, 100, 0x5020, 68, null)]
    [TestCase(2, 0, 0x5000, 100, 0x5020, 69, "has not 69 bytes")]
    [TestCase(2, 0, 0x5000, 100, 0x4fff, 1, "has not 1 bytes")]
    [TestCase(2, 0, 0x5000, 100, 0x5000, long.MaxValue, "has not")]
    [TestCase(2, 0, 0x5000, 100, 0x5065, 1, "has not")]
    [TestCase(2, 1, 0x5000, 100, 0x5000, 100, "device 1")]
    [TestCase(1, 0, 0x5000, 100, 0x5000, 100, "host")]
    public void Foreign_memory_is_proven(int type, int ordinal, long start, long size, long address, long bytes, string? problem)
    {
        ScriptedDriver.PointerAttributes[2] = type;
        ScriptedDriver.PointerAttributes[9] = ordinal;
        ScriptedDriver.PointerAttributes[11] = start;
        ScriptedDriver.PointerAttributes[12] = size;
        ScriptedDriver.PointerAttributes[13] = 1;
        if (problem is null)
        {
            Assert.That(_context.Region((nint)address, bytes), Is.EqualTo(new DeviceRegion((nint)address, bytes)));
        }
        else
        {
            Assert.That(() => _context.Region((nint)address, bytes), Throws.ArgumentException.With.Message.Contains(problem));
        }
    }

    [Test]
    public void Reserved_addresses_without_memory_are_refused()
    {
        ScriptedDriver.PointerAttributes[2] = 2;
        ScriptedDriver.PointerAttributes[11] = 0x5000;
        ScriptedDriver.PointerAttributes[12] = 100;
        Assert.That(() => _context.Region(0x5000, 100), Throws.ArgumentException.With.Message.Contains("0x5000 is reserved"));
        ScriptedDriver.PointerAttributes[13] = 1;
        Assert.That(_context.Region(0x5000, 100).Bytes, Is.EqualTo(100));
        Assert.That(ScriptedDriver.Calls[^1], Is.EqualTo("cuPointerGetAttribute(13, 0x5063)"), "the last byte");
    }

    [Test]
    public void Streams_of_other_contexts_and_of_no_one_thread_are_refused()
    {
        Assert.That(() => _context.AdoptStream(0x10055), Throws.ArgumentException.With.Message.Contains("context 0x78"));
        Assert.That(() => _context.AdoptStream(2), Throws.InstanceOf<ArgumentException>());
        Assert.That(() => _context.AdoptStream(1).Dispose(), Throws.Nothing);
    }

    [Test]
    public void Memory_that_the_driver_does_not_know_is_refused()
    {
        ScriptedDriver.Answer("cuPointerGetAttribute", 1);
        Assert.Multiple(() =>
        {
            Assert.That(() => _context.Region(0x5000, 1), Throws.ArgumentException.With.Message.Contains("no memory that CUDA knows"));
            Assert.That(() => _context.Region(0x5000, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
        });
    }

    [Test]
    public void Regions_are_cut_within_their_bounds()
    {
        var region = new DeviceRegion(0x1000, 100);
        Assert.Multiple(() =>
        {
            Assert.That(region.Slice(10, 90), Is.EqualTo(new DeviceRegion(0x100a, 90)));
            Assert.That(region.Slice(100, 0).Bytes, Is.Zero);
            Assert.That(() => region.Slice(10, 91), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => region.Slice(101, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => region.Slice(-1, 1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => region.Slice(1, -1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => region.Slice(1, long.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new DeviceRegion(0, 1), Throws.ArgumentException);
            Assert.That(() => new DeviceRegion(1, -1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new DeviceRegion(-2, 3), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(default(DeviceRegion), Is.EqualTo(new DeviceRegion(0, 0)));
            Assert.That(region.Overlaps(new DeviceRegion(0x1063, 1)), Is.True);
            Assert.That(region.Overlaps(new DeviceRegion(0x1064, 1)), Is.False);
            Assert.That(region.Overlaps(new DeviceRegion(0xfff, 1)), Is.False);
            Assert.That(region.Overlaps(new DeviceRegion(0xfff, 2)), Is.True);
            Assert.That(region.Overlaps(new DeviceRegion(0x1010, 0)), Is.False);
        });
    }

    [Test]
    public void Sizes_are_positive()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => _context.Allocate(0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => _context.AllocatePinned(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => _context.LoadModule([]), Throws.ArgumentException);
            Assert.That(ScriptedDriver.Calls, Is.Empty);
        });
    }

    [Test]
    public void A_thread_enters_a_context_as_often_as_it_likes()
    {
        using (CudaContext.Scope outer = _context.Enter())
        {
            using CudaContext.Scope inner = _context.Enter();
            Assert.That(ScriptedDriver.Depth, Is.EqualTo(2));
        }

        ScriptedDriver.Answer("cuCtxPopCurrent_v2", 201);
        using (_context.Enter())
        {
        }

        Assert.That(_context.FreeFailure!.Function, Is.EqualTo("cuCtxPopCurrent_v2"));
    }

    [UnmanagedCallersOnly]
    private static int Seven() => 7;
}
