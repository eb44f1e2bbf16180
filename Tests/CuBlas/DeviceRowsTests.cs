using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>Forwards on rows in the device's own memory: where they lie, what is refused, and whose turn it is.</summary>
public sealed class DeviceRowsTests : DeviceTests
{
    private const float Mark = -7777;

    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);

    private static readonly FfnSpec[] Specs =
    [
        FfnSpec.Create(FfnKind.SwiGlu, 32, 48, bias: true),
        FfnSpec.Create(FfnKind.GeluTanh, 20, 37, bias: true).WithNorms(Rms, null, Rms),
        FfnSpec.Create(FfnKind.Relu, 16, 33).WithNorms(Rms),
    ];

    [Test]
    public void Rows_may_lie_anywhere(
        [Values(0, 1, 2)] int layer, [Values(FfnPrecision.Float32, FfnPrecision.BFloat16)] FfnPrecision precision, [Values(0, 8)] int decodeTokens)
    {
        Start();
        FfnSpec spec = Specs[layer];
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 36_000);
        using FfnEngine engine = Open(precision, decodeTokens);
        using FfnLayer made = engine.CreateLayer(spec, weights);
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        foreach (FfnMode mode in Enum.GetValues<FfnMode>())
        {
            foreach (int tokens in (int[])[1, 5, 9])
            {
                float[] input = RandomLayers.Rows(tokens, spec.DModel, 36_001);
                float[] residual = RandomLayers.Rows(tokens, spec.DModel, 36_002);
                OracleRun expected = Oracle.Run(spec, weights, mode, input, residual);
                foreach ((int offset, int gap) in ((int, int)[])[(0, 0), (0, 16), (1, 0), (3, 5), (4, 1)])
                {
                    var x = new Rows(Device, input, tokens, spec.DModel, offset, gap);
                    var r = new Rows(Device, residual, tokens, spec.DModel, offset, gap + 1);
                    var y = new Rows(Device, new float[input.Length], tokens, spec.DModel, offset, gap + 2);
                    Forward(made, stream, mode, x, r, y);
                    AssertClose(y, expected, $"{mode} x{tokens}, offset {offset}, gap {gap}");
                    Forward(made, stream, mode, x, r, mode == FfnMode.Residual ? r : x);
                    AssertClose(mode == FfnMode.Residual ? r : x, expected, $"{mode} x{tokens}, offset {offset}, gap {gap}, in place");
                }
            }
        }

        void AssertClose(Rows rows, OracleRun expected, string what) =>
            Tolerances.AssertClose(rows.Read(), expected.Output, Tolerances.OnDevice(precision, spec), what);
    }

    [Test]
    public void The_residual_may_be_the_input_and_the_output_too()
    {
        Start();
        FfnSpec spec = Specs[0];
        using FfnEngine engine = Open();
        using FfnLayer made = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 36_000));
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        float[] input = RandomLayers.Rows(9, 32, 36_003);
        var rows = new Rows(Device, input, 9, 32, 0, 0);
        made.ForwardResidual(stream, rows.Place, rows.Place, rows.Place);
        stream.Synchronize();
        Assert.That(rows.Read(), Is.EqualTo(EngineTests.Forward(made, FfnMode.Residual, input)));
    }

    [Test]
    public void A_layer_of_one_stage_runs_beside_its_input_and_never_on_it()
    {
        Start();
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, 32, 32, true));
        using FfnEngine engine = Open();
        using FfnLayer made = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 36_004));
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        float[] input = RandomLayers.Rows(9, 32, 36_003);
        var x = new Rows(Device, input, 9, 32, 0, 0);
        var y = new Rows(Device, new float[input.Length], 9, 32, 0, 0);
        made.Forward(stream, x.Place, y.Place);
        stream.Synchronize();
        Assert.That(y.Read(), Is.EqualTo(EngineTests.Forward(made, FfnMode.Ffn, input)));
        Assert.That(() => made.Forward(stream, x.Place, x.Place), Throws.ArgumentException.With.Message.Contains("overlaps"));
    }

    [Test]
    public void More_tokens_than_run_at_a_time_are_cut([Values(8192, 8193, 20_000)] int tokens)
    {
        Start();
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 2, 1);
        using FfnEngine engine = Open();
        using FfnLayer made = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 36_005));
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        float[] input = RandomLayers.Rows(tokens, 2, 36_006);
        float[] expected = EngineTests.Forward(made, FfnMode.Residual, input);
        int products = Device.Launches.Count(static launch => launch.Matmul is not null);
        Assert.That(products, Is.EqualTo(2 * ((tokens + 8191) / 8192)));
        var rows = new Rows(Device, input, tokens, 2, 0, 1);
        made.ForwardResidual(stream, rows.Place, rows.Place, rows.Place);
        stream.Synchronize();
        Tolerances.AssertClose(rows.Read(), Estimate.Exact(expected), Tolerances.Golden, $"{tokens} tokens in place");
    }

    [Test]
    public void Wide_rows_are_cut_by_what_they_take_on_the_host()
    {
        Start();
        const int width = 400_000;
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, 1, width, false));
        using FfnEngine engine = Open();
        using FfnLayer made = engine.CreateLayer(spec, new XavierWeights(spec, 1));
        float[] input = RandomLayers.Rows(50, 1, 36_007);
        float[] whole = EngineTests.Forward(made, FfnMode.Ffn, input);
        Assert.That(Device.Launches.Count(static launch => launch.Matmul is not null), Is.EqualTo(3));
        Assert.That(Device.PinnedBytes, Is.LessThanOrEqualTo(64 << 20));
        Assert.That(EngineTests.Forward(made, FfnMode.Ffn, input[49..]), Is.EqualTo(whole[(49 * width)..]));
    }

    [Test]
    public void What_is_no_memory_of_the_device_is_refused_before_anything_is_launched()
    {
        Start(Ada with { DeviceCount = 2 });
        FfnSpec spec = Specs[0];
        const int width = 32;
        using FfnEngine engine = Open();
        using FfnLayer made = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 36_000));
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        var own = new ForeignCuda(Device) { InPrimaryContext = true };
        FfnDeviceRows good = new(own.Allocate(4 * width * sizeof(float)), 4, width);
        FfnDeviceRows other = new(own.Allocate(4 * width * sizeof(float)), 4, width);
        nint pinned = PinnedAddress(made);
        Device.ClearLaunches();
        (FfnDeviceRows Rows, string Message)[] wrong =
        [
            (good with { Address = 0 }, "no address"),
            (good with { Address = good.Address + 2 }, "no address"),
            (good with { Stride = width - 1 }, "rows 31 elements apart"),
            (good with { Stride = -width }, "elements apart"),
            (good with { Stride = long.MaxValue / 2 }, "elements apart"),
            (good with { Tokens = 3 }, "rows"),
            (good with { Tokens = -4 }, "rows"),
            (good with { Address = 0x1000 }, "no memory that CUDA knows"),
            (good with { Address = pinned }, "memory of the host"),
            (good with { Address = new ForeignCuda(Device, 1).Allocate(4 * width * sizeof(float)) }, "memory of device 1"),
            (good with { Address = own.Allocate((4 * width * sizeof(float)) - 4) }, "has not"),
            (good with { Address = good.Address + 4 }, "has not"),
            (good with { Stride = width + 1 }, "has not"),
        ];
        foreach ((FfnDeviceRows rows, string message) in wrong)
        {
            AssertRefused(() => made.Forward(stream, rows, other), message);
            AssertRefused(() => made.Forward(stream, other, rows), message);
            AssertRefused(() => made.ForwardResidual(stream, other, rows, other), message);
        }

        FfnDeviceRows shifted = new(other.Address + (width * sizeof(float)), 3, width);
        AssertRefused(() => made.Forward(stream, other with { Tokens = 3 }, shifted), "output overlaps input");
        AssertRefused(() => made.ForwardResidual(stream, good with { Tokens = 3 }, other with { Tokens = 3 }, shifted), "output overlaps residual");
        AssertRefused(() => made.Forward(stream, other with { Tokens = 2, Stride = 2 * width }, other with { Tokens = 2 }), "overlaps");
        Assert.That(Device.Launches, Is.Empty);
        made.Forward(stream, good, other);
        made.Forward(stream, default, default);
        stream.Synchronize();
    }

    [Test]
    public void Work_runs_in_the_streams_order_and_not_before_its_turn()
    {
        Start();
        FfnSpec spec = Specs[0];
        using FfnEngine engine = Open();
        using FfnLayer made = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 36_000));
        float[] input = RandomLayers.Rows(3, 32, 36_008);
        float[] expected = EngineTests.Forward(made, FfnMode.Ffn, EngineTests.Forward(made, FfnMode.Ffn, input));
        float[] ofZeros = EngineTests.Forward(made, FfnMode.Ffn, new float[input.Length]);
        using CudaContext context = Context();
        using CudaStream own = context.CreateStream();
        using FfnDeviceStream stream = engine.UseDeviceStream(own.Handle);
        var x = new Rows(Device, input, 3, 32, 0, 0);
        var y = new Rows(Device, new float[input.Length], 3, 32, 0, 0);
        var z = new Rows(Device, new float[input.Length], 3, 32, 0, 0);
        made.Forward(stream, x.Place, y.Place);
        made.Forward(stream, y.Place, y.Place);
        using (context.Enter())
        {
            own.Fill(new DeviceRegion(x.Place.Address, input.Length * sizeof(float)), 0);
        }

        made.Forward(stream, x.Place, z.Place);
        Assert.That(y.Read(), Is.All.Zero, "nothing ran yet");
        using (context.Enter())
        {
            own.Synchronize();
        }

        Assert.That(y.Read(), Is.EqualTo(expected));
        Assert.That(z.Read(), Is.EqualTo(ofZeros));
    }

    [Test]
    public void An_application_may_capture_a_forward_that_ran_before([Values(0, 8)] int decodeTokens)
    {
        Start();
        FfnSpec spec = Specs[1];
        using FfnEngine engine = Open(FfnPrecision.BFloat16, decodeTokens);
        using FfnLayer made = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 36_000));
        using CudaContext context = Context();
        using CudaStream own = context.CreateStream();
        using FfnDeviceStream stream = engine.UseDeviceStream(own.Handle);
        float[] input = RandomLayers.Rows(3, 20, 36_009);
        var x = new Rows(Device, input, 3, 20, 0, 0);
        var y = new Rows(Device, new float[input.Length], 3, 20, 0, 0);
        made.ForwardBlock(stream, x.Place, y.Place);
        stream.Synchronize();
        float[] expected = y.Read();
        y.Write(new float[input.Length]);
        using CudaContext.Scope scope = context.Enter();
        own.BeginCapture();
        made.ForwardBlock(stream, x.Place, y.Place);
        using CudaGraph graph = own.EndCapture();
        own.Synchronize();
        Assert.That(y.Read(), Is.All.Zero, "captured, and not run");
        for (int launch = 0; launch < 2; launch++)
        {
            own.Launch(graph);
            own.Synchronize();
            Assert.That(y.Read(), Is.EqualTo(expected));
            y.Write(new float[input.Length]);
        }

        float[] others = RandomLayers.Rows(3, 20, 36_010);
        x.Write(others);
        own.Launch(graph);
        own.Synchronize();
        Assert.That(y.Read(), Is.EqualTo(EngineTests.Forward(made, FfnMode.Block, others)));
    }

    private static void AssertRefused(Action forward, string message) =>
        Assert.That(forward, Throws.InstanceOf<ArgumentException>().With.Message.Contains(message));

    private CudaContext Context()
    {
        CudaDriver driver = CudaDriver.Start(Device.Driver);
        return CudaContext.RetainPrimary(driver, driver.Device(0));
    }

    // A slot's pinned memory, which is the host's.
    private nint PinnedAddress(FfnLayer layer)
    {
        EngineTests.Forward(layer, FfnMode.Ffn, new float[layer.Spec.InputWidth * 4]);
        return Device.Pinned.Live.First().Address;
    }

    private static void Forward(FfnLayer layer, FfnDeviceStream stream, FfnMode mode, Rows input, Rows residual, Rows output)
    {
        switch (mode)
        {
            case FfnMode.Ffn:
                layer.Forward(stream, input.Place, output.Place);
                break;
            case FfnMode.Residual:
                layer.ForwardResidual(stream, input.Place, residual.Place, output.Place);
                break;
            default:
                layer.ForwardBlock(stream, input.Place, output.Place);
                break;
        }

        stream.Synchronize();
    }

    /// <summary>Rows in memory of the application's, apart from each other and from the memory's start, with marks in between.</summary>
    private sealed class Rows
    {
        private readonly ForeignCuda _foreign;
        private readonly nint _start;
        private readonly int _offset;
        private readonly int _width;
        private readonly int _elements;

        public Rows(SoftwareDevice device, float[] values, int tokens, int width, int offset, int gap)
        {
            _foreign = new ForeignCuda(device) { InPrimaryContext = true };
            (_offset, _width) = (offset, width);
            _elements = offset + ((tokens - 1) * (width + gap)) + width;
            float[] memory = new float[_elements];
            Array.Fill(memory, Mark);
            _start = _foreign.Allocate<float>(memory);
            Place = new FfnDeviceRows(_start + (offset * sizeof(float)), tokens, width + gap);
            Write(values);
        }

        public FfnDeviceRows Place { get; }

        public void Write(float[] values)
        {
            float[] memory = _foreign.Read<float>(_start, _elements);
            for (int token = 0; token < Place.Tokens; token++)
            {
                values.AsSpan(token * _width, _width).CopyTo(memory.AsSpan(Start(token)));
            }

            _foreign.Write<float>(_start, memory);
        }

        /// <summary>The rows as they are now; the marks must be there still.</summary>
        public float[] Read()
        {
            float[] memory = _foreign.Read<float>(_start, _elements);
            float[] values = new float[Place.Tokens * _width];
            for (int token = 0; token < Place.Tokens; token++)
            {
                memory.AsSpan(Start(token), _width).CopyTo(values.AsSpan(token * _width));
                memory.AsSpan(Start(token), _width).Fill(Mark);
            }

            Assert.That(memory, Is.All.EqualTo(Mark), "what lies between the rows");
            return values;
        }

        private int Start(int token) => _offset + (int)(token * Place.Stride);
    }
}
