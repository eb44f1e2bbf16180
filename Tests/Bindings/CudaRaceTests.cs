using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Handles;

/// <summary>What a choice among algorithms and a capture rest on: time by events, and arguments as they were.</summary>
[NonParallelizable]
public sealed unsafe class CudaRaceTests
{
    [Test]
    public void The_algorithm_that_events_find_fastest_is_the_one_that_is([Range(0, 4)] int fastest)
    {
        using var session = new SoftwareSession();
        session.Device.Milliseconds = launch => launch.Matmul is { } matmul ? (matmul.Algorithm == fastest ? 1 : 2) : 0.5;
        using CuBlasLtHandle handle = session.Libraries.CuBlasLt.CreateHandle(session.Context);
        using CudaStream stream = session.Context.CreateStream();
        using DeviceMemory memory = session.Context.Allocate(1 << 20);
        using CudaEvent start = session.Context.CreateEvent(timing: true);
        using CudaEvent end = session.Context.CreateEvent(timing: true);
        MatmulShape shape = CudaScenario.Shape with { Columns = 64, WeightStride = 64, InputStride = 64 };
        using var product = Matmul.Create(session.Libraries.CuBlasLt, shape);
        var found = new MatmulAlgorithm[8];
        int count = product.Find(handle, 512 << 10, found);
        Assert.That(count, Is.EqualTo(5));
        float[] milliseconds = new float[count];
        for (int i = 0; i < count; i++)
        {
            stream.Record(start);
            product.Run(
                handle, found[i], memory.Region.Slice(0, 4096), memory.Region.Slice(4096, 4096), default, memory.Region.Slice(8192, 1024),
                memory.Region.Slice(512 << 10, 512 << 10), stream);
            stream.Record(end);
            end.Synchronize();
            milliseconds[i] = end.MillisecondsSince(start);
        }

        Assert.That(Array.IndexOf(milliseconds, milliseconds.Min()), Is.EqualTo(fastest));
        Assert.That(session.Device.Launches.Select(static launch => launch.Matmul!.Algorithm), Is.EqualTo((int[])[0, 1, 2, 3, 4]));
        session.Device.AssertNoViolations();
    }

    [Test]
    public void A_graph_has_the_arguments_of_its_capture_and_the_memory_of_its_launch()
    {
        using var session = new SoftwareSession();
        using CudaStream stream = session.Context.CreateStream();
        using CudaModule module = session.Module(ModulePrecision.All[0]);
        CudaKernel kernel = module.Kernel("prepare_operand");
        DeviceRegion input = session.Floats(new float[16]);
        DeviceRegion output = session.Floats(new float[16]);
        var argument = new InputArguments { Input = input.Address, Output = output.Address, Width = 16, PaddedWidth = 16 };
        stream.BeginCapture();
        stream.Launch(kernel, new LaunchShape(1, 1, 256), &argument);
        argument = default;
        using CudaGraph graph = stream.EndCapture();
        foreach (float value in (float[])[3, 4])
        {
            session.Foreign.Write<float>(input.Address, Enumerable.Repeat(value, 16).ToArray());
            stream.Launch(graph);
            stream.Synchronize();
            Assert.That(session.Read(NumberFormat.Float32, output), Is.All.EqualTo(value));
        }

        session.Device.AssertNoViolations();
    }
}
