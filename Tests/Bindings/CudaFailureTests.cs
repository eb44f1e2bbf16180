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
        DeviceMemory memory = session.Context.Allocate(16);
        session.Device.FailCall("cuMemFree_v2", 1, CudaResult.InvalidValue);
        Assert.That(memory.Dispose, Throws.Nothing);
        Assert.That(session.Context.FreeFailure?.Function, Is.EqualTo("cuMemFree_v2"));
        Assert.That(() => session.Context.Allocate(16), Throws.TypeOf<CudaException>().With.Property("Function").EqualTo("cuMemFree_v2"));
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
        session.End();
    }

    [Test]
    public void A_spoiled_capture_is_told_and_the_stream_goes_on()
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();
        stream.BeginCapture();
        Assert.That(stream.Synchronize, Throws.TypeOf<CudaException>().With.Property("Status").EqualTo(CudaResult.CaptureUnsupported));
        Assert.That(stream.EndCapture, Throws.TypeOf<CudaException>().With.Property("Function").EqualTo("cuStreamEndCapture"));
        Assert.That(stream.IsCapturing, Is.False);
        stream.Synchronize();
        Assert.That(session.Device.TakeViolations(), Has.Length.EqualTo(1));
    }

    [Test]
    public void An_abandoned_capture_leaves_no_graph()
    {
        using var session = new SoftwareSession();
        using (CudaStream stream = session.Context.CreateStream())
        {
            stream.BeginCapture();
            stream.AbandonCapture();
            stream.AbandonCapture();
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
