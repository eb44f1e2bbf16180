using System.Runtime.CompilerServices;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Handles;

/// <summary>Handles free what they own, in whatever order they go, and keep what they need until then.</summary>
[NonParallelizable]
public sealed unsafe class CudaLifetimeTests
{
    [Test]
    public void A_whole_run_leaves_nothing_behind_whether_work_runs_late_or_at_once([Values] bool atOnce)
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        device.RunsAtOnce = atOnce;
        Assert.That(CudaScenario.Run(device), Is.EqualTo(CudaScenario.Expected));
        device.AssertClean();
    }

    [Test]
    public void Handles_may_be_disposed_in_any_order_and_twice()
    {
        for (int seed = 0; seed < 60; seed++)
        {
            using SoftwareDevice device = SoftwareDevice.Start();
            IDisposable[] handles = OneOfEach(device);
            new Random(seed).Shuffle(handles);
            foreach (IDisposable handle in handles)
            {
                handle.Dispose();
                handle.Dispose();
            }

            device.AssertClean();
        }
    }

    [Test]
    public void Handles_that_nobody_disposed_are_freed_by_their_finalizers()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        MakeAndForget(device);
        for (int i = 0; i < 10 && device.Leaks().Length > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        device.AssertClean();
    }

    [Test]
    public void The_context_goes_after_the_last_that_lives_in_it()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        IDisposable[] handles = OneOfEach(device);
        handles[0].Dispose();
        foreach (IDisposable handle in handles[1..])
        {
            Assert.That(device.Leaks(), Has.Some.Contains("primary context"));
            handle.Dispose();
        }

        Assert.That(() => ((CudaContext)handles[0]).Allocate(1), Throws.TypeOf<ObjectDisposedException>());
        device.AssertClean();
    }

    [Test]
    public void What_was_disposed_or_is_another_contexts_is_refused()
    {
        using var session = new SoftwareSession();
        CudaStream stream = session.Context.CreateStream();
        using CudaStream other = session.Context.CreateStream();
        CudaEvent mark = session.Context.CreateEvent(timing: false);
        CudaModule module = session.Module(ModulePrecision.All[0]);
        CudaKernel kernel = module.Kernel("finish");
        using DeviceMemory memory = session.Context.Allocate(16);
        var elsewhere = CudaContext.RetainPrimary(session.Libraries.Driver, session.Context.Device);
        using CudaModule foreignModule = elsewhere.LoadModule(CudaScenario.Compile(session.Libraries));
        CudaKernel foreignKernel = foreignModule.Kernel("finish");
        using CudaEvent foreignMark = elsewhere.CreateEvent(timing: false);
        DeviceMemory freed = elsewhere.Allocate(16);
        freed.Dispose();
        elsewhere.Dispose();
        stream.Dispose();
        mark.Dispose();
        module.Dispose();
        int calls = session.Device.Calls;
        Assert.Multiple(() =>
        {
            Assert.That(() => stream.Fill(memory.Region, 0), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(stream.Synchronize, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => other.Record(mark), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(mark.Synchronize, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => Launch(kernel), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => Launch(foreignKernel), Throws.ArgumentException, "another context's");
            Assert.That(() => other.Record(foreignMark), Throws.ArgumentException, "another context's");
            Assert.That(() => freed.Region, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => module.Kernel("finish"), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(session.Device.Violations, Is.Empty, "none of it reached the device");
        });
        Assert.That(session.Device.Launches, Is.Empty);
        Assert.That(session.Device.Calls, Is.LessThanOrEqualTo(calls + 2), "but for entering the context");

        void Launch(CudaKernel launched)
        {
            long argument = 0;
            other.Launch(launched, new LaunchShape(1, 1, 256), &argument);
        }
    }

    [Test]
    public void Threads_with_a_stream_and_a_handle_each_do_not_disturb_each_other()
    {
        using SoftwareDevice device = SoftwareDevice.Start();
        var libraries = new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc);
        using (var context = CudaContext.RetainPrimary(libraries.Driver, libraries.Driver.Device(0)))
        using (CudaModule module = context.LoadModule(CudaScenario.Compile(libraries)))
        {
            CudaKernel kernel = module.Kernel("prepare_operand");
            Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, thread =>
            {
                using CudaContext.Scope scope = context.Enter();
                using CudaStream stream = context.CreateStream();
                using PinnedMemory pinned = context.AllocatePinned(2048);
                using DeviceMemory memory = context.Allocate(2048);
                float* values = (float*)pinned.Pointer;
                for (int round = 0; round < 50; round++)
                {
                    new Span<float>(values, 256).Fill(thread + round);
                    stream.CopyToDevice(values, memory.Region.Slice(0, 1024));
                    CudaScenario.Prepare(stream, kernel, memory.Region.Slice(0, 1024), memory.Region.Slice(1024, 1024));
                    stream.CopyToHost(memory.Region.Slice(1024, 1024), values + 256);
                    stream.Synchronize();
                    Assert.That(new Span<float>(values + 256, 256).IndexOfAnyExcept((float)(thread + round)), Is.EqualTo(-1));
                }
            });
        }

        device.AssertClean();
    }

    // The context first; everything else was made in it.
    private static IDisposable[] OneOfEach(SoftwareDevice device)
    {
        var libraries = new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc);
        var context = CudaContext.RetainPrimary(libraries.Driver, libraries.Driver.Device(0));
        using CudaContext.Scope scope = context.Enter();
        CudaStream stream = context.CreateStream();
        DeviceMemory memory = context.Allocate(16);
        stream.BeginCapture();
        stream.Fill(memory.Region, 0);
        CudaGraph graph = stream.EndCapture();
        return
        [
            context, Matmul.Create(libraries.CuBlasLt, CudaScenario.Shape), stream, memory, graph, context.AllocatePinned(16),
            context.CreateEvent(timing: true), libraries.CuBlasLt.CreateHandle(context),
            context.LoadModule(CudaScenario.Compile(libraries)),
        ];
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MakeAndForget(SoftwareDevice device) => _ = OneOfEach(device);
}
