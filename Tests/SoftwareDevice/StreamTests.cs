using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>Streams run as late as they may, in the order that events give them.</summary>
[NonParallelizable]
public sealed unsafe class StreamTests
{
    [Test]
    public void Work_runs_when_something_waits_for_it_and_reads_the_host_then()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(4);
        using CudaStream stream = session.Context.CreateStream();
        float source = 1;
        float target = 0;
        stream.CopyToDevice(&source, memory.Region);
        source = 2;
        stream.CopyToHost(memory.Region, &target);
        Assert.That(target, Is.Zero);
        stream.Synchronize();
        Assert.That(target, Is.EqualTo(2));
        Assert.That(session.Device.Executed, Has.Length.EqualTo(2));
    }

    [Test]
    public void Work_may_be_asked_to_run_at_once()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(4);
        using CudaStream stream = session.Context.CreateStream();
        session.Device.RunsAtOnce = true;
        stream.Fill(memory.Region, 0);
        Assert.That(session.Read(NumberFormat.Float32, memory.Region), Is.EqualTo((float[])[0]));
    }

    [Test]
    public void Only_what_a_wait_needs_runs()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(2);
        using CudaStream first = session.Context.CreateStream();
        using CudaEvent between = session.Context.CreateEvent(timing: false);
        first.Fill(memory.Region.Slice(0, 1), 1);
        first.Record(between);
        first.Fill(memory.Region.Slice(1, 1), 2);
        between.Synchronize();
        Assert.That(session.Foreign.Read<byte>(memory.Region.Address, 2), Is.EqualTo((byte[])[1, 0xFF]));
        Assert.That(between.IsDone, Is.True);
        Assert.That(first.IsDone, Is.False);
        Assert.That(first.IsDone, Is.True, "a query lets work happen");
        Assert.That(session.Foreign.Read<byte>(memory.Region.Address, 2), Is.EqualTo((byte[])[1, 2]));
    }

    [Test]
    public void The_default_stream_and_blocking_streams_wait_for_each_other_and_not_for_others()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(3);
        using CudaStream independent = session.Context.CreateStream();
        nint blocking;
        session.Raw.cuStreamCreate(&blocking, 0);
        nint address = memory.Region.Address;
        session.Raw.cuMemsetD8Async(address, 1, 1, blocking);
        session.Raw.cuMemsetD8Async(address + 1, 2, 1, 0);
        independent.Fill(memory.Region.Slice(2, 1), 3);
        session.Raw.cuMemsetD8Async(address, 4, 1, blocking);
        session.Raw.cuStreamSynchronize(0);
        Assert.That(session.Foreign.Read<byte>(address, 3), Is.EqualTo((byte[])[1, 2, 0xFF]));
        session.Raw.cuMemsetD8Async(address + 1, 5, 1, 0);
        session.Raw.cuStreamSynchronize(0);
        Assert.That(session.Foreign.Read<byte>(address, 3), Is.EqualTo((byte[])[4, 5, 0xFF]));
        session.Raw.cuCtxSynchronize();
        Assert.That(session.Foreign.Read<byte>(address, 3), Is.EqualTo((byte[])[4, 5, 3]));
        session.Raw.cuStreamDestroy_v2(blocking);
        session.Device.AssertNoViolations();
    }

    [Test]
    public void Time_between_events_is_what_the_launches_cost()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(8);
        using CudaStream stream = session.Context.CreateStream();
        using CudaEvent start = session.Context.CreateEvent(timing: true);
        using CudaEvent end = session.Context.CreateEvent(timing: true);
        session.Device.Milliseconds = static launch => launch.Bytes;
        stream.Record(start);
        stream.Fill(memory.Region, 0);
        stream.Fill(memory.Region.Slice(0, 3), 0);
        stream.Record(end);
        Assert.That(
            () => end.MillisecondsSince(start), Throws.TypeOf<CudaException>().With.Property("Status").EqualTo(CudaResult.NotReady));
        end.Synchronize();
        Assert.That(end.MillisecondsSince(start), Is.EqualTo(11));
    }

    [Test]
    public void Work_of_a_destroyed_stream_still_runs_and_its_handle_is_dead()
    {
        using var session = new SoftwareSession();
        using DeviceMemory memory = session.Context.Allocate(1);
        nint stream;
        session.Raw.cuStreamCreate(&stream, 1);
        session.Raw.cuMemsetD8Async(memory.Region.Address, 7, 1, stream);
        session.Raw.cuStreamDestroy_v2(stream);
        session.AssertViolation(session.Raw.cuStreamSynchronize(stream), CudaResult.InvalidHandle, "a destroyed Stream");
        session.Device.RunEverything();
        Assert.That(session.Foreign.Read<byte>(memory.Region.Address, 1)[0], Is.EqualTo(7));
    }

    [Test]
    public void Calls_need_a_context_and_the_stream_must_be_its_own()
    {
        using var session = new SoftwareSession();
        nint stream = new ForeignCuda(session.Device).CreateStream();
        nint popped;
        session.AssertViolation(session.Raw.cuStreamSynchronize(stream), CudaResult.InvalidHandle, "another context");
        session.AssertViolation(session.Raw.cuStreamDestroy_v2(stream), CudaResult.InvalidHandle, "not the product's");
        session.Raw.cuCtxPopCurrent_v2(&popped);
        session.AssertViolation(session.Raw.cuStreamSynchronize(0), CudaResult.InvalidContext, "needs a context");
        session.AssertViolation(session.Raw.cuCtxPopCurrent_v2(&popped), CudaResult.InvalidContext, "empty stack");
        session.Raw.cuCtxPushCurrent_v2(session.Context.Handle);
        session.End();
    }
}
