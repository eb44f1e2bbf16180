using NativeFfn.Bindings.Cuda;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>Captures record, graphs replay, and what may not be done meanwhile is refused.</summary>
[NonParallelizable]
public sealed unsafe class CaptureTests
{
    [Test]
    public void A_graph_replays_what_was_captured_and_nothing_ran_before()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(2);
        using CudaStream stream = session.Context.CreateStream();
        stream.BeginCapture();
        stream.Fill(memory.Region.Slice(0, 1), 1);
        stream.CopyOnDevice(memory.Region.Slice(0, 1), memory.Region.Slice(1, 1));
        using CudaGraph graph = stream.EndCapture();
        stream.Synchronize();
        Assert.That(session.Foreign.Read<byte>(memory.Region.Address, 2), Is.EqualTo((byte[])[0xFF, 0xFF]));
        for (int i = 0; i < 2; i++)
        {
            session.Foreign.Write<byte>(memory.Region.Address, [9, 9]);
            stream.Launch(graph);
            stream.Synchronize();
            Assert.That(session.Foreign.Read<byte>(memory.Region.Address, 2), Is.EqualTo((byte[])[1, 1]));
        }

        Assert.That(session.Device.Launches.Select(static launch => (launch.Kind, launch.Captured)), Is.EqualTo(((LaunchKind, bool)[])
            [(LaunchKind.Fill, true), (LaunchKind.CopyOnDevice, true), (LaunchKind.Graph, false), (LaunchKind.Graph, false)]));
        Assert.That(session.Device.Executed[0].Nodes, Has.Count.EqualTo(2));
        session.Device.AssertNoViolations();
    }

    [Test]
    public void What_a_capture_forbids_spoils_it()
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();
        using CudaStream other = session.Context.CreateStream();
        using CudaEvent mark = session.Context.CreateEvent(timing: false);
        Func<int>[] forbidden =
        [
            () => session.Raw.cuStreamSynchronize(stream.Handle),
            () => session.Raw.cuStreamQuery(stream.Handle),
            () => session.Raw.cuStreamSynchronize(other.Handle),
            () => session.Raw.cuCtxSynchronize(),
            () => Allocate(session),
            () => AllocatePinned(session),
            () => session.Raw.cuEventQuery(mark.Handle),
        ];
        foreach (Func<int> call in forbidden)
        {
            stream.BeginCapture();
            session.AssertViolation(call(), CudaResult.CaptureUnsupported, "captured");
            nint graph = 1;
            Assert.That(session.Raw.cuStreamEndCapture(stream.Handle, &graph), Is.EqualTo(CudaResult.CaptureInvalidated));
            Assert.That(graph, Is.EqualTo((nint)0));
        }

        stream.Synchronize();
    }

    [Test]
    public void Another_thread_may_allocate_meanwhile_and_may_not_end_the_capture()
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();
        stream.BeginCapture();
        int ended = 0;
        var thread = new Thread(() =>
        {
            using DeviceMemory memory = session.Context.Allocate(16);
            using CudaContext.Scope scope = session.Context.Enter();
            nint graph;
            ended = session.Raw.cuStreamEndCapture(stream.Handle, &graph);
        });
        thread.Start();
        thread.Join();
        session.AssertViolation(ended, CudaResult.CaptureWrongThread, "another thread");
        stream.EndCapture().Dispose();
        session.Device.AssertNoViolations();
    }

    [Test]
    public void A_graph_that_uses_freed_memory_takes_the_context_away()
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();
        DeviceMemory memory = session.Context.Allocate(16);
        stream.BeginCapture();
        stream.Fill(memory.Region, 0);
        using CudaGraph graph = stream.EndCapture();
        memory.Dispose();
        stream.Launch(graph);
        session.AssertViolation(session.Raw.cuStreamSynchronize(stream.Handle), CudaResult.IllegalAddress, "which was freed");
    }

    [Test]
    public void The_default_stream_is_not_captured_and_events_of_a_capture_are_not_waited_for()
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();
        using CudaEvent inside = session.Context.CreateEvent(timing: false);
        session.AssertViolation(session.Raw.cuStreamBeginCapture_v2(0, 1), CudaResult.CaptureUnsupported, "default stream");
        stream.BeginCapture();
        stream.Record(inside);
        session.AssertViolation(session.Raw.cuEventSynchronize(inside.Handle), CudaResult.CapturedEvent, "recorded in a capture");
        stream.AbandonCapture();
        Assert.That(stream.IsCapturing, Is.False);
        session.Device.AssertNoViolations();
    }

    private static int Allocate(SoftwareSession session)
    {
        nint address;
        return session.Raw.cuMemAlloc_v2(&address, 16);
    }

    private static int AllocatePinned(SoftwareSession session)
    {
        void* pinned;
        return session.Raw.cuMemHostAlloc(&pinned, 16, 0);
    }
}
