using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>Stream slots side by side: what they record, what they share, how many there are, and how long weights stay under what is queued.</summary>
public sealed class StreamSlotTests : DeviceTests
{
    private const int Tokens = 3;
    private const int Width = 32;

    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, Width, 48).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    private int Recordings => Device.Failures.CallsOf("cuStreamBeginCapture_v2");

    private int Replays => Device.Failures.CallsOf("cuGraphLaunch");

    [Test]
    public void A_recording_that_others_spoil_fails_no_forward_and_is_tried_again([Values("cuStreamEndCapture", "cuGraphInstantiateWithFlags")] string function)
    {
        const int CaptureInvalidated = 901;
        Start();
        using FfnEngine engine = Open();
        using FfnLayer layer = Layer(engine);
        float[] expected = Run(layer);
        Device.FailCall(function, 1, CaptureInvalidated);
        Assert.That(Run(layer), Is.EqualTo(expected));
        Assert.That((Recordings, Replays), Is.EqualTo((1, 0)));
        for (int run = 1; run <= 2; run++)
        {
            Assert.That(Run(layer), Is.EqualTo(expected));
            Assert.That((Recordings, Replays), Is.EqualTo((2, run)));
        }
    }

    [Test]
    public void What_cannot_be_recorded_is_run_as_it_is()
    {
        Start();
        using FfnEngine engine = Open();
        using FfnLayer layer = Layer(engine);
        float[] expected = Run(layer);
        for (int call = 1; call <= 9; call++)
        {
            Device.FailCall("cuStreamBeginCapture_v2", call, CudaResult.InvalidValue);
        }

        for (int run = 0; run < 6; run++)
        {
            Assert.That(Run(layer), Is.EqualTo(expected));
        }

        Assert.That((Recordings, Replays), Is.EqualTo((3, 0)));
    }

    [Test]
    public void Handles_of_slots_that_end_are_kept_since_destroying_one_waits_for_the_device()
    {
        Start();
        using (FfnEngine engine = Open())
        using (FfnLayer layer = Layer(engine))
        {
            Run(layer);
            for (int stream = 0; stream < 5; stream++)
            {
                engine.CreateDeviceStream().Dispose();
            }

            Assert.That(Device.Failures.CallsOf("cublasLtCreate"), Is.EqualTo(2));
            Assert.That(Device.Failures.CallsOf("cublasLtDestroy"), Is.Zero);
        }

        Assert.That(Device.Failures.CallsOf("cublasLtDestroy"), Is.EqualTo(2));
    }

    [Test]
    public void A_forward_that_was_not_met_before_is_not_captured()
    {
        Start();
        using FfnEngine engine = Open();
        using FfnLayer layer = Layer(engine);
        CudaDriver driver = CudaDriver.Start(Device.Driver);
        using CudaContext context = CudaContext.RetainPrimary(driver, driver.Device(0));
        using CudaStream own = context.CreateStream();
        using FfnDeviceStream stream = engine.UseDeviceStream(own.Handle);
        using DeviceMemory memory = context.Allocate(8 * Width * sizeof(float));
        var few = new FfnDeviceRows(memory.Region.Address, 2, Width);
        var many = new FfnDeviceRows(memory.Region.Address, 8, Width);
        using CudaContext.Scope scope = context.Enter();
        own.Fill(memory.Region, 0);
        layer.ForwardBlock(stream, few, few);
        own.BeginCapture();
        Assert.That(() => layer.ForwardBlock(stream, many, many), Throws.InstanceOf<InvalidOperationException>().With.Message.Contains("Run it once on this stream before"));
        Assert.That(
            () => layer.Forward(stream, few, few), Throws.InstanceOf<InvalidOperationException>().With.Message.Contains("a plan of a GEMM"));
        layer.ForwardBlock(stream, few, few);
        own.EndCapture().Dispose();
        Assert.That(engine.Failure, Is.Null);
        layer.ForwardBlock(stream, many, many);
        stream.Synchronize();
    }

    [Test]
    public void Weights_stay_until_what_was_queued_with_them_is_known_to_be_done([Values] bool waits)
    {
        Start();
        using FfnEngine engine = Open();
        var foreign = new ForeignCuda(Device) { InPrimaryContext = true };
        float[] input = RandomLayers.Rows(Tokens, Width, 41_001);
        nint address = foreign.Allocate<float>(input);
        var rows = new FfnDeviceRows(address, Tokens, Width);
        FfnDeviceStream stream = engine.CreateDeviceStream();
        FfnLayer layer = Layer(engine);
        float[] expected = EngineTests.Forward(layer, FfnMode.Block, input);
        layer.ForwardBlock(stream, rows, rows);
        layer.ForwardBlock(stream, rows, rows);
        long before = Device.DeviceBytes;
        layer.Dispose();
        Assert.That(Device.DeviceBytes, Is.EqualTo(before), "queued, and perhaps not done");
        Assert.That(() => layer.ForwardBlock(stream, rows, rows), Throws.TypeOf<ObjectDisposedException>());
        if (waits)
        {
            stream.Synchronize();
            Assert.That(Device.DeviceBytes, Is.LessThan(before));
        }

        stream.Dispose();
        using FfnLayer again = Layer(engine);
        Assert.That(foreign.Read<float>(address, input.Length), Is.EqualTo(EngineTests.Forward(again, FfnMode.Block, expected)));
        foreign.Free(address);
    }

    [Test]
    public void Asynchronous_forwards_beyond_a_bound_wait_for_a_slot_and_not_for_memory()
    {
        const int Calls = 50;
        const int MostSlots = 16;
        Start();
        using FfnEngine engine = Open();
        using FfnLayer layer = Layer(engine);
        float[] input = RandomLayers.Rows(Tokens, Width, 41_002);
        float[] expected = Run(layer, input);
        float[][] outputs = [.. Enumerable.Range(0, Calls).Select(_ => new float[input.Length])];
        Task.WaitAll([.. outputs.Select(output => layer.ForwardAsync(FfnMode.Block, input, output).AsTask())]);
        Assert.That(outputs, Is.All.EqualTo(expected));
        Assert.That(Device.Failures.CallsOf("cublasLtCreate"), Is.LessThanOrEqualTo(MostSlots));
    }

    [Test]
    public void A_block_with_norms_behind_its_projection_is_tuned_too()
    {
        Start();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, Width, 48).WithNorms(null, new NormSpec(NormKind.Rms, 1e-5f));
        using FfnEngine engine = FfnEngine.Create(Options() with { Autotune = true });
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 41_003));
        layer.Warmup(20);
        int asked = Device.Failures.CallsOf("cublasLtMatmulAlgoGetHeuristic");
        EngineTests.Forward(layer, FfnMode.Block, RandomLayers.Rows(20, Width, 41_004));
        EngineTests.Forward(layer, FfnMode.Residual, RandomLayers.Rows(20, Width, 41_004));
        Assert.That(Device.Failures.CallsOf("cublasLtMatmulAlgoGetHeuristic"), Is.EqualTo(asked), "what is known is not asked for");
    }

    private static FfnLayer Layer(FfnEngine engine) => engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 41_000));

    private static float[] Run(FfnLayer layer, float[]? input = null) =>
        EngineTests.Forward(layer, FfnMode.Block, input ?? RandomLayers.Rows(Tokens, Width, 41_001));
}
