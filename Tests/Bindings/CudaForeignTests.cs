using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Handles;

/// <summary>Contexts, streams and memory of the application's own: used, proven and never freed.</summary>
[NonParallelizable]
public sealed class CudaForeignTests
{
    [Test]
    public void An_adopted_context_and_stream_are_used_and_left_alone()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        var libraries = new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc);
        var foreign = new ForeignCuda(device);
        nint address = foreign.Allocate(16);
        device.StartLog();
        using (var context = CudaContext.Adopt(libraries.Driver, foreign.Context))
        using (CudaContext.Scope scope = context.Enter())
        using (CudaStream stream = context.AdoptStream(foreign.CreateStream()))
        using (CudaStream legacy = context.AdoptStream(0))
        {
            Assert.That(context.Device.Handle, Is.EqualTo(libraries.Driver.Device(0).Handle));
            Assert.That(context.MemoryInfo(), Is.EqualTo((device.Options.MemoryBytes - 16, device.Options.MemoryBytes)));
            stream.Fill(context.Region(address, 16), 5);
            legacy.Fill(context.Region(address + 4, 4), 6);
            stream.Synchronize();
            legacy.Synchronize();
        }

        Assert.That(device.Log!.Calls, Has.None.Contains("Release").And.None.Contains("Destroy"));
        Assert.That(foreign.Read<byte>(address, 16).Distinct(), Is.EqualTo((byte[])[5, 6]));
        device.AssertClean();
    }

    [Test]
    public void What_is_no_context_is_refused()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        var libraries = new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc);
        Assert.That(() => CudaContext.Adopt(libraries.Driver, 0), Throws.InstanceOf<ArgumentException>());
        Assert.That(
            () => CudaContext.Adopt(libraries.Driver, 12345),
            Throws.TypeOf<CudaException>().With.Property("Function").EqualTo("cuCtxPushCurrent_v2"));
        Assert.That(device.TakeViolations(), Has.Length.EqualTo(1));
        Assert.That(device.Leaks(), Is.Empty);
    }

    [Test]
    public void A_region_lies_inside_one_live_allocation_of_the_device()
    {
        using var session = new SoftwareSession(new SoftwareDeviceOptions { DeviceCount = 2 });
        CudaContext context = session.Context;
        nint address = session.Foreign.Allocate(100);
        nint elsewhere = new ForeignCuda(session.Device, ordinal: 1).Allocate(100);
        nint freed = session.Foreign.Allocate(100);
        session.Foreign.Free(freed);
        using PinnedMemory pinned = context.AllocatePinned(100);
        nint host;
        unsafe
        {
            host = (nint)pinned.Pointer;
        }

        Assert.Multiple(() =>
        {
            Assert.That(context.Region(address, 100).Bytes, Is.EqualTo(100));
            Assert.That(context.Region(address + 99, 1).Address, Is.EqualTo(address + 99));
            Assert.That(() => context.Region(address, 101), Throws.ArgumentException.With.Message.Contains("101"));
            Assert.That(() => context.Region(address + 50, 51), Throws.ArgumentException);
            Assert.That(() => context.Region(address + 100, 1), Throws.ArgumentException);
            Assert.That(() => context.Region(address - 1, 1), Throws.ArgumentException);
            Assert.That(() => context.Region(address + 50, long.MaxValue), Throws.ArgumentException);
            Assert.That(() => context.Region(address, 0), Throws.InstanceOf<ArgumentException>());
            Assert.That(() => context.Region(address, -1), Throws.InstanceOf<ArgumentException>());
            Assert.That(() => context.Region(freed, 1), Throws.ArgumentException.With.Message.Contains("no memory"));
            Assert.That(() => context.Region(elsewhere, 1), Throws.ArgumentException.With.Message.Contains("device 1"));
            Assert.That(() => context.Region(host, 1), Throws.ArgumentException.With.Message.Contains("host"));
            Assert.That(() => context.Region(8, 1), Throws.ArgumentException.With.Message.Contains("no memory"));
        });
        session.Device.AssertNoViolations();
    }

    [Test]
    public void Reserved_addresses_without_memory_are_refused()
    {
        using var session = new SoftwareSession();
        nint address = session.Foreign.Allocate(100, mapped: 60);
        session.Device.StartLog();
        Assert.That(session.Context.Region(address, 60).Bytes, Is.EqualTo(60));
        Assert.That(session.Device.Log!.Calls[^1], Is.EqualTo($"cuPointerGetAttribute(*, 13, 0x{address + 59:x})"), "the last byte");
        Assert.That(() => session.Context.Region(address, 61), Throws.ArgumentException.With.Message.Contains($"0x{address + 60:x} is reserved"));
        Assert.That(() => session.Context.Region(address + 60, 1), Throws.ArgumentException.With.Message.Contains("is reserved"));
    }

    [Test]
    public void Streams_of_other_contexts_and_of_no_one_thread_are_refused()
    {
        using var session = new SoftwareSession();
        var other = new ForeignCuda(session.Device);
        nint stream = other.CreateStream();
        Assert.That(() => session.Context.AdoptStream(stream), Throws.ArgumentException.With.Message.Contains($"context 0x{other.Context:x}"));
        Assert.That(() => session.Context.AdoptStream(2), Throws.InstanceOf<ArgumentException>());
        session.End();
    }

    [Test]
    public void Regions_are_cut_within_their_bounds()
    {
        var region = new DeviceRegion(0x1000, 100);
        Assert.Multiple(() =>
        {
            Assert.That(region.Slice(10, 90), Is.EqualTo(new DeviceRegion(0x100a, 90)));
            Assert.That(region.Slice(100, 0).Bytes, Is.Zero);
            foreach ((long offset, long bytes) in ((long, long)[])[(10, 91), (101, 0), (-1, 1), (1, -1), (1, long.MaxValue)])
            {
                Assert.That(() => region.Slice(offset, bytes), Throws.TypeOf<ArgumentOutOfRangeException>());
            }

            Assert.That(() => new DeviceRegion(0, 1), Throws.ArgumentException);
            Assert.That(() => new DeviceRegion(1, -1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new DeviceRegion(-2, 3), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(default(DeviceRegion), Is.EqualTo(new DeviceRegion(0, 0)));
            foreach ((nint address, long bytes, bool overlaps) in ((nint, long, bool)[])
                [(0x1063, 1, true), (0x1064, 1, false), (0xfff, 1, false), (0xfff, 2, true), (0x1010, 0, false)])
            {
                Assert.That(region.Overlaps(new DeviceRegion(address, bytes)), Is.EqualTo(overlaps), $"{bytes} bytes at 0x{address:x}");
            }
        });
    }
}
