using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nccl;
using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Handles;

/// <summary>What the process holds is counted by kind and in bytes, however it goes.</summary>
[NonParallelizable]
public sealed class CudaUsageTests
{
    [Test]
    public void Everything_is_counted_until_it_is_given_back()
    {
        var before = Usage();
        using SoftwareDevice device = SoftwareDevice.Start();
        CudaScenario.Run(device);
        Assert.That(Usage(), Is.EqualTo(before), "after a whole run");

        var libraries = new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc);
        var context = CudaContext.RetainPrimary(libraries.Driver, libraries.Driver.Device(0));
        CudaContext adopted = CudaContext.Adopt(libraries.Driver, context.Handle);
        CudaStream stream = context.CreateStream();
        DeviceMemory memory = context.Allocate(1000);
        DeviceMemory more = context.Allocate(24);
        CudaGraph graph;
        using (context.Enter())
        {
            stream.BeginCapture();
            stream.Fill(memory.Region, 0);
            graph = stream.EndCapture();
        }

        var nccl = new NcclLibrary(device.NcclSymbols);
        IDisposable[] held =
        [
            context, adopted, stream, context.AdoptStream(stream.Handle), memory, more, graph, context.AllocatePinned(16),
            context.CreateEvent(timing: true), libraries.CuBlasLt.CreateHandle(context), context.LoadModule(CudaScenario.Compile(libraries)),
            nccl.Join(context, 1, nccl.CreateUniqueId(), 0),
        ];
        Assert.That(Usage().Zip(before, static (now, then) => (now.Kind, now.Count - then.Count, now.Bytes - then.Bytes)), Is.EqualTo(new[]
        {
            (CudaKind.Context, 2L, 0L), (CudaKind.DeviceMemory, 2, 1024), (CudaKind.PinnedMemory, 1, 16), (CudaKind.Module, 1, 0),
            (CudaKind.Stream, 2, 0), (CudaKind.Event, 1, 0), (CudaKind.Graph, 1, 0), (CudaKind.CuBlasLtHandle, 1, 0),
            (CudaKind.NcclCommunicator, 1, 0),
        }));
        foreach (IDisposable one in held)
        {
            one.Dispose();
            one.Dispose();
        }

        Assert.That(Usage(), Is.EqualTo(before));
        device.AssertClean();
    }

    [Test]
    public void What_could_not_be_made_is_not_counted_and_what_could_not_be_freed_is_not_held()
    {
        using var session = new SoftwareSession();
        var before = Usage();
        session.Device.FailCall("cuMemAlloc_v2", 1, CudaResult.OutOfMemory);
        Assert.That(() => session.Context.Allocate(64), Throws.TypeOf<CudaException>());
        Assert.That(() => session.Context.Allocate(0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(Usage(), Is.EqualTo(before));

        DeviceMemory memory = session.Context.Allocate(64);
        session.Device.FailCall("cuMemFree_v2", 1, CudaResult.InvalidValue);
        memory.Dispose();
        Assert.That(Usage(), Is.EqualTo(before));
        Assert.That(session.Context.FreeFailure, Is.Not.Null);
    }

    private static (CudaKind Kind, long Count, long Bytes)[] Usage()
    {
        // What an earlier test left to finalizers goes now and not while this one counts.
        for (int round = 0; round < 2; round++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return [.. Enum.GetValues<CudaKind>().Select(static kind => (kind, CudaUsage.CountOf(kind), CudaUsage.BytesOf(kind)))];
    }
}
