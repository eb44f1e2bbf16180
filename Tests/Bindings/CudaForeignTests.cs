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
        using (var context = CudaContext.Adopt(libraries.Driver, foreign.Context))
        using (CudaContext.Scope scope = context.Enter())
        using (CudaStream stream = context.AdoptStream(foreign.CreateStream()))
        using (CudaStream legacy = context.AdoptStream(0))
        {
            stream.Fill(context.Region(address, 16), 5);
            legacy.Fill(context.Region(address + 4, 4), 6);
            stream.Synchronize();
            legacy.Synchronize();
        }

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
    public void Devices_are_described_as_they_are()
    {
        using var session = new SoftwareSession(
            new SoftwareDeviceOptions { DeviceCount = 2, Major = 8, Minor = 9, Multiprocessors = 7, CacheBytes = 123 });
        CudaDevice device = session.Libraries.Driver.Device(1);
        Assert.Multiple(() =>
        {
            Assert.That(session.Libraries.Driver.DeviceCount, Is.EqualTo(2));
            Assert.That((device.Ordinal, device.Name, device.Architecture), Is.EqualTo((1, SoftwareDevice.Name, 89)));
            Assert.That(
                (device.Multiprocessors, device.CacheBytes, device.MemoryBytes), Is.EqualTo((7, 123, session.Device.Options.MemoryBytes)));
            Assert.That(device.Uuid, Is.Not.EqualTo(session.Context.Device.Uuid));
        });
        session.End();
    }
}
