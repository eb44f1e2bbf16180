using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.OnDevice;

/// <summary>A device with an engine and a gated layer on it, and rows to run: what walks over native calls start from.</summary>
internal sealed class DeviceBench : IDisposable
{
    public const int Width = 20;

    public static readonly FfnSpec Spec =
        FfnSpec.Create(FfnKind.SwiGlu, Width, 37, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    private static readonly FfnMemoryWeights Weights = RandomLayers.Gaussian(Spec, 31_000);

    private readonly Stack<IDisposable> _things = new();

    public DeviceBench(int? decodeTokens = 0, SoftwareDeviceOptions? options = null)
    {
        Device = SoftwareDevice.Start(options);
        Options = new FfnEngineOptions { Backend = BackendKind.CuBlas, DecodeTokens = decodeTokens, Cuda = Device.AsSource() };
    }

    public SoftwareDevice Device { get; }

    public FfnEngineOptions Options { get; }

    /// <summary>The engine, opened when it is first asked for.</summary>
    public FfnEngine Engine => field ??= Own(FfnEngine.Create(Options));

    /// <summary>The layer, made when it is first asked for.</summary>
    public FfnLayer Layer => field ??= NewLayer();

    /// <summary>Memory of the application's in the primary context.</summary>
    public ForeignCuda Foreign => field ??= new ForeignCuda(Device) { InPrimaryContext = true };

    public FfnDeviceStream Stream => field ??= Own(Engine.CreateDeviceStream());

    public static float[] Rows(int tokens) => RandomLayers.Rows(tokens, Width, 31_001);

    public FfnLayer NewLayer() => Own(Engine.CreateLayer(Spec, Weights));

    /// <summary>A block on the host's rows.</summary>
    public float[] Block(int tokens) => EngineTests.Forward(Layer, FfnMode.Block, Rows(tokens));

    /// <summary>A block on rows in the device's memory, read back past the stream.</summary>
    public float[] DeviceBlock(int tokens)
    {
        float[] rows = Rows(tokens);
        nint input = Foreign.Allocate<float>(rows);
        nint output = Foreign.Allocate(rows.Length * sizeof(float));
        FfnDeviceStream stream = Stream;
        Layer.ForwardBlock(stream, new FfnDeviceRows(input, tokens, Width), new FfnDeviceRows(output, tokens, Width));
        stream.Synchronize();
        return Foreign.Read<float>(output, rows.Length);
    }

    /// <summary>Keeps something until the bench goes.</summary>
    public T Own<T>(T thing)
        where T : IDisposable
    {
        _things.Push(thing);
        return thing;
    }

    /// <summary>Disposes everything but the device, last made first.</summary>
    public void DisposeThings()
    {
        while (_things.TryPop(out IDisposable? thing))
        {
            thing.Dispose();
        }
    }

    /// <summary>Ends everything and asserts that nothing is left.</summary>
    public void End()
    {
        DisposeThings();
        Device.AssertClean();
        Dispose();
    }

    public void Dispose()
    {
        DisposeThings();
        Device.Dispose();
    }
}
