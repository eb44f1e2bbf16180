using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nvrtc;
using NUnit.Framework;

namespace NativeFfn.Tests.Software;

/// <summary>Calls fail where a test orders it, lost contexts stay lost, and the compiler refuses what it does not know.</summary>
[NonParallelizable]
public sealed unsafe class SoftwareFailureTests
{
    [Test]
    public void The_call_that_was_named_fails_and_no_other()
    {
        using var session = new SoftwareSession();
        session.Device.FailCall("cuMemAlloc_v2", 2, CudaResult.OutOfMemory);
        using DeviceMemory first = session.Context.Allocate(1);
        Assert.That(() => session.Context.Allocate(1), Throws.TypeOf<CudaException>().With.Property("IsOutOfMemory").True);
        using DeviceMemory third = session.Context.Allocate(1);
        Assert.That(session.Device.Failures.Failed, Is.EqualTo("cuMemAlloc_v2"));
        int calls = session.Device.Calls;
        session.Device.FailCall(2, CudaResult.InvalidValue);
        int ordinal;
        Assert.That(session.Raw.cuCtxGetDevice(&ordinal), Is.Zero);
        Assert.That(session.Raw.cuCtxGetDevice(&ordinal), Is.EqualTo(CudaResult.InvalidValue));
        Assert.That(session.Device.Calls, Is.EqualTo(calls + 2));
    }

    [Test]
    public void What_frees_has_freed_even_where_it_reports_a_failure()
    {
        using var session = new SoftwareSession();
        nint address;
        session.Raw.cuMemAlloc_v2(&address, 16);
        session.Device.FailCall(1, CudaResult.InvalidValue);
        Assert.That(session.Raw.cuMemFree_v2(address), Is.EqualTo(CudaResult.InvalidValue));
        session.End();
    }

    [Test]
    public void A_sticky_status_is_answered_from_then_on_by_all_that_needs_the_context()
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();
        session.Device.FailCall("cuStreamSynchronize", 1, CudaResult.LaunchFailed);
        Assert.That(stream.Synchronize, Throws.TypeOf<CudaException>().With.Property("IsSticky").True);
        nint address;
        int count;
        Assert.That(session.Raw.cuMemAlloc_v2(&address, 1), Is.EqualTo(CudaResult.LaunchFailed));
        Assert.That(session.Raw.cuStreamSynchronize(stream.Handle), Is.EqualTo(CudaResult.LaunchFailed));
        Assert.That(session.Raw.cuDeviceGetCount(&count), Is.Zero);
        Assert.That(session.Libraries.CuBlasLt.Functions.cublasLtCreate(&address), Is.EqualTo(CublasResult.NotInitialized));
        stream.Dispose();
        session.End();
    }

    [Test]
    public void A_device_that_ended_answers_without_harm()
    {
        DeviceMemory memory;
        PinnedMemory pinned;
        using (var session = new SoftwareSession())
        {
            memory = session.Context.Allocate(16);
            pinned = session.Context.AllocatePinned(16);
            pinned.Pointer[15] = 1;
        }

        using var next = new SoftwareSession();
        memory.Dispose();
        pinned.Dispose();
        next.End();
    }

    [Test]
    public void A_library_without_a_function_says_so()
    {
        using SoftwareDevice device = SoftwareDevice.Start(new SoftwareDeviceOptions { MissingFunctions = ["cublasLtMatmul"] });
        Assert.That(
            () => new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc),
            Throws.TypeOf<NativeFfn.Bindings.NativeLibraryException>().With.Message.Contains(
                "software libcublasLt has no function cublasLtMatmul"));
    }

    [TestCase("--gpu-architecture=sm_90 -DNATIVEFFN_F32 --unheard-of", "unrecognized option --unheard-of")]
    [TestCase("--gpu-architecture=sm_42 -DNATIVEFFN_F32", "sm_42")]
    [TestCase("--gpu-architecture=sm_90", "one precision must be defined, not 0")]
    [TestCase("--gpu-architecture=sm_90 -DNATIVEFFN_F32 -DNATIVEFFN_BF16", "not 2")]
    public void Options_that_the_compiler_does_not_know_are_in_its_log(string options, string log)
    {
        using var session = new SoftwareSession();
        Assert.That(
            () => session.Libraries.Nvrtc.Compile("a.cu", "", [], options.Split(' ')),
            Throws.TypeOf<NvrtcException>().With.Message.Contains(log));
        session.End();
    }

    [Test]
    public void A_header_that_is_not_given_is_named_however_deep_it_is()
    {
        using var session = new SoftwareSession();
        Assert.That(
            () => session.Libraries.Nvrtc.Compile(
                "a.cu", "#include \"b.cuh\"", [("b.cuh", "#pragma once\n  # include <cuda_bf16.h>")],
                ["--gpu-architecture=sm_90", "-DNATIVEFFN_F32"]),
            Throws.TypeOf<NvrtcException>().With.Message.Contains("cuda_bf16.h"));
        session.End();
    }

    [Test]
    public void A_module_must_be_the_software_compilers_and_for_this_device()
    {
        using var session = new SoftwareSession(new SoftwareDeviceOptions { Major = 8, Minor = 6 });
        byte[] image = session.Libraries.Nvrtc.Compile("a.cu", "", [], ["--gpu-architecture=sm_90", "-DNATIVEFFN_F32"]);
        Assert.That(
            () => session.Context.LoadModule(image),
            Throws.TypeOf<CudaException>().With.Property("Status").EqualTo(CudaResult.NoBinaryForGpu));
        image[7]++;
        Assert.That(
            () => session.Context.LoadModule(image),
            Throws.TypeOf<CudaException>().With.Property("Status").EqualTo(CudaResult.InvalidImage));
        using (CudaModule module = session.Context.LoadModule(
            session.Libraries.Nvrtc.Compile("a.cu", "", [], ["--gpu-architecture=sm_86", "-DNATIVEFFN_F32"])))
        {
            Assert.That(
                () => module.Kernel("unheard_of"), Throws.TypeOf<CudaException>().With.Property("Status").EqualTo(CudaResult.NotFound));
        }

        session.End();
    }
}
