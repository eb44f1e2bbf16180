using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nvrtc;
using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Handles;

/// <summary>Whichever call fails, the exception names it and nothing is left behind.</summary>
[NonParallelizable]
public sealed class CudaFailureTests
{
    [Test]
    public void Every_call_may_fail(
        [Values(CudaResult.InvalidValue, CudaResult.OutOfMemory, CudaResult.IllegalAddress, CudaResult.Unknown)] int status)
    {
        int calls = Calls();
        Assert.That(calls, Is.GreaterThan(80), "the walk must be a walk");
        var failed = new HashSet<string>();
        for (int n = 1; n <= calls; n++)
        {
            using SoftwareDevice device = SoftwareDevice.Start();
            device.FailCall(n, status);
            Exception? thrown = Run(device, out float[]? result);
            string function = device.Failures.Failed!;
            failed.Add(function);
            if (thrown is null)
            {
                // What frees cannot tell anybody at once; and the result was there before.
                Assert.That(result, Is.EqualTo(CudaScenario.Expected), $"call {n}, {function}");
            }
            else
            {
                AssertNames(thrown, function, status, $"call {n}, {function}");
            }

            if (function == "cuCtxPushCurrent_v2")
            {
                // A context that cannot be entered keeps what is in it until it goes itself.
                Assert.That(device.Violations, Is.All.Contains("left when its context went"), $"call {n}, {function}");
                continue;
            }

            Assert.That(device.Violations, Is.Empty, $"call {n}, {function}");
            Assert.That(device.Leaks(), Is.Empty, $"call {n}, {function}");
        }

        Assert.That(failed, Is.SupersetOf((string[])
        [
            "cuInit", "cuMemAlloc_v2", "cuMemFree_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags", "cuGraphLaunch",
            "cuLaunchKernel", "cublasLtMatmul",
            "cublasLtCreate", "cublasLtMatrixLayoutCreate", "nvrtcCompileProgram", "nvrtcGetCUBIN", "cuEventElapsedTime",
            "cuDevicePrimaryCtxRelease_v2",
        ]));
    }

    [Test]
    public void Memory_that_could_not_be_freed_is_told_by_the_next_that_is_made()
    {
        using var session = new SoftwareSession();
        DeviceMemory first = session.Context.Allocate(16);
        DeviceMemory second = session.Context.Allocate(16);
        session.Device.FailCall("cuMemFree_v2", 1, CudaResult.InvalidValue);
        session.Device.FailCall("cuMemFree_v2", 2, CudaResult.InvalidHandle);
        Assert.That(first.Dispose, Throws.Nothing);
        CudaException? kept = session.Context.FreeFailure;
        Assert.That(kept?.Function, Is.EqualTo("cuMemFree_v2"));
        second.Dispose();
        Assert.That(session.Context.FreeFailure, Is.SameAs(kept), "the first");
        Assert.That(session.Context.IsLost, Is.False);
        Assert.That(() => session.Context.Allocate(16), Throws.Exception.SameAs(kept));
        Assert.That(session.Context.FreeFailure, Is.Null);
        session.Context.Allocate(16).Dispose();
        session.End();
    }

    [Test]
    public void A_lost_context_says_so_and_lets_everything_go()
    {
        using var session = new SoftwareSession();
        CudaStream stream = session.Context.CreateStream();
        DeviceMemory memory = session.Context.Allocate(16);
        PinnedMemory pinned = session.Context.AllocatePinned(16);
        session.Device.FailCall("cuStreamSynchronize", 1, CudaResult.LaunchFailed);
        Assert.That(stream.Synchronize, Throws.TypeOf<CudaException>().With.Property("IsSticky").True);
        Assert.That(session.Context.IsLost, Is.True);
        Assert.That(
            () => session.Context.Allocate(1), Throws.TypeOf<CudaException>().With.Property("Status").EqualTo(CudaResult.LaunchFailed));
        stream.Dispose();
        memory.Dispose();
        pinned.Dispose();
        Assert.That(session.Context.FreeFailure, Is.Null);
        session.End();
    }

    [Test]
    public void A_loss_that_shows_first_when_freeing_is_told()
    {
        using var session = new SoftwareSession();
        DeviceMemory memory = session.Context.Allocate(16);
        session.Device.FailCall("cuMemFree_v2", 1, CudaResult.LaunchFailed);
        memory.Dispose();
        Assert.That(session.Context.IsLost, Is.True);
        Assert.That(
            () => session.Context.Allocate(1), Throws.TypeOf<CudaException>().With.Property("Status").EqualTo(CudaResult.LaunchFailed));
    }

    [Test]
    public void A_context_that_cannot_be_entered_makes_nothing_and_is_not_held()
    {
        using var session = new SoftwareSession();
        byte[] image = CudaScenario.Compile(session.Libraries);
        Action[] all =
        [
            () => session.Context.Allocate(1), () => session.Context.AllocatePinned(1), () => session.Context.CreateStream(),
            () => session.Context.CreateEvent(timing: false), () => session.Context.LoadModule(image),
        ];
        foreach (Action make in all)
        {
            session.Device.FailCall("cuCtxPushCurrent_v2", 1, CudaResult.OutOfMemory);
            CudaException failure = Assert.Throws<CudaException>(() => make())!;
            Assert.That((failure.Function, failure.IsOutOfMemory), Is.EqualTo(("cuCtxPushCurrent_v2", true)));
        }

        session.End();
    }

    [Test]
    public void A_context_that_cannot_be_entered_or_left_is_told_by_what_is_made_next()
    {
        using var session = new SoftwareSession();
        DeviceMemory memory = session.Context.Allocate(1);
        session.Device.FailCall("cuCtxPushCurrent_v2", 1, CudaResult.InvalidContext);
        memory.Dispose();
        Assert.That(() => session.Context.CreateStream(), Throws.TypeOf<CudaException>().With.Property("Function").EqualTo("cuCtxPushCurrent_v2"));
        session.Device.FailCall("cuCtxPopCurrent_v2", 1, CudaResult.InvalidContext);
        using (session.Context.Enter())
        {
        }

        Assert.That(session.Context.FreeFailure!.Function, Is.EqualTo("cuCtxPopCurrent_v2"));
        session.Dispose();
        Assert.That(session.Context.IsClosed, Is.True);
        Assert.That(session.Device.TakeViolations().Single(), Does.Contain("left when its context went"));
        Assert.That(session.Device.Leaks(), Is.Empty, "what could not be freed does not hold its context");
    }

    [Test]
    public void A_spoiled_capture_is_told_and_the_stream_goes_on()
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();
        stream.BeginCapture();
        Assert.That(stream.Synchronize, Throws.TypeOf<CudaException>().With.Property("Status").EqualTo(CudaResult.CaptureUnsupported));
        Assert.That(stream.IsCapturing, Is.True);
        Assert.That(
            stream.EndCapture,
            Throws.TypeOf<CudaException>().With.Property("Function").EqualTo("cuStreamEndCapture")
                .And.Property("Status").EqualTo(CudaResult.CaptureInvalidated));
        Assert.That(stream.IsCapturing, Is.False);
        stream.BeginCapture();
        Assert.That(stream.Synchronize, Throws.TypeOf<CudaException>());
        Assert.That(stream.AbandonCapture, Throws.Nothing);
        stream.Synchronize();
        Assert.That(session.Device.TakeViolations(), Has.Length.EqualTo(2));
        Assert.That(session.Device.Leaks(), Has.None.Contains("Graph"));
    }

    [Test]
    public void An_abandoned_capture_leaves_no_graph()
    {
        using var session = new SoftwareSession();
        using (CudaStream stream = session.Context.CreateStream())
        {
            stream.BeginCapture();
            session.Device.StartLog();
            stream.AbandonCapture();
            stream.AbandonCapture();
            Assert.That(session.Device.Log!.Calls, Is.EqualTo((string[])
            [
                "cuStreamIsCapturing(Stream1, *)", "cuStreamEndCapture(Stream1, *)", "cuGraphDestroy(Graph1)", "cuStreamIsCapturing(Stream1, *)",
            ]));
        }

        session.End();
    }

    private static int Calls()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        CudaScenario.Run(device);
        return device.Calls;
    }

    private static Exception? Run(SoftwareDevice device, out float[]? result)
    {
        result = null;
        try
        {
            result = CudaScenario.Run(device);
            return null;
        }
        catch (Exception exception) when (exception is CudaException or CuBlasLtException or NvrtcException)
        {
            return exception;
        }
    }

    private static void AssertNames(Exception thrown, string function, int status, string what)
    {
        if (thrown is CudaException cuda)
        {
            Assert.That(cuda.Status, Is.EqualTo(status), what);
        }

        // What ends the context is told by every later call as well, and the call that met it may have been one that cannot throw.
        if (!CudaResult.IsSticky(status))
        {
            Assert.That(thrown.Message, Does.StartWith(function), what);
            Assert.That(thrown, function[..2] switch
            {
                "cu" when !function.StartsWith("cublasLt", StringComparison.Ordinal) =>
                    Is.TypeOf<CudaException>().With.Property("Function").EqualTo(function),
                "nv" => Is.TypeOf<NvrtcException>(),
                _ => Is.TypeOf<CuBlasLtException>(),
            });
        }
    }
}
