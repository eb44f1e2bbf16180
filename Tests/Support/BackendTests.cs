using NativeFfn.Tests.Software;
using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>The base of tests that run over all backends in float32: one body, one fixture a backend.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.Fixtures))]
public abstract class BackendTests : EngineTests
{
    protected BackendTests(BackendKind backend)
        : base(backend, FfnPrecision.Float32)
    {
    }
}

/// <summary>The same for what is promised of fast backends alone: every one but the reference.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.FastFixtures))]
public abstract class FastBackendTests : EngineTests
{
    protected FastBackendTests(BackendKind backend)
        : base(backend, FfnPrecision.Float32)
    {
    }
}

/// <summary>The same without the software device, for tests that make their engines by configuration.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.RealFixtures))]
public abstract class RealBackendTests : EngineTests
{
    protected RealBackendTests(BackendKind backend)
        : base(backend, FfnPrecision.Float32)
    {
    }
}

/// <summary>The same for what only the backends on the CPU have.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.CpuFixtures))]
public abstract class CpuBackendTests : EngineTests
{
    protected CpuBackendTests(BackendKind backend)
        : base(backend, FfnPrecision.Float32)
    {
    }
}

/// <summary>The base of tests that run over all backends in every precision.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.PrecisionFixtures))]
public abstract class PrecisionTests : EngineTests
{
    protected PrecisionTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }
}

/// <summary>The base of tests that run over the backends on the CPU in every precision.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.CpuPrecisionFixtures))]
public abstract class CpuPrecisionTests : EngineTests
{
    protected CpuPrecisionTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }
}

/// <summary>The base of tests that run over every form in which backends keep weights: fewer than all precisions on all backends.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.StorageFixtures))]
public abstract class StorageTests : EngineTests
{
    protected StorageTests(BackendKind backend, FfnPrecision precision)
        : base(backend, precision)
    {
    }
}

/// <summary>Engines of one backend and precision, and the forwards that tests run on them.</summary>
public abstract class EngineTests
{
    private readonly Dictionary<int, FfnEngine> _engines = [];
    private SoftwareDevice? _device;

    protected EngineTests(BackendKind backend, FfnPrecision precision) => (Backend, Precision) = (backend, precision);

    /// <summary>Thread counts that tests run with: the caller alone, an even split, and one that no size divides by; the reference has one thread.</summary>
    protected int[] ThreadCounts => Backend == BackendKind.Reference ? [1] : [1, 2, 3];

    protected BackendKind Backend { get; }

    protected FfnPrecision Precision { get; }

    [OneTimeSetUp]
    public void RequireBackend()
    {
        _device = TestBackends.StartDevice(Backend);
        _ = Engine(1);
    }

    [OneTimeTearDown]
    public void DisposeEngines()
    {
        foreach (FfnEngine engine in _engines.Values)
        {
            engine.Dispose();
        }

        try
        {
            _device?.AssertClean();
        }
        finally
        {
            _device?.Dispose();
        }
    }

    /// <summary>The fixture's engine with so many threads.</summary>
    protected FfnEngine Engine(int threads)
    {
        if (!_engines.TryGetValue(threads, out FfnEngine? engine))
        {
            engine = OpenEngine(threads);
            _engines.Add(threads, engine);
        }

        return engine;
    }

    /// <summary>An engine of the test's own, to be disposed by it.</summary>
    protected FfnEngine OpenEngine(int threads) => OpenEngine(threads, Precision);

    /// <summary>The same in another precision.</summary>
    protected FfnEngine OpenEngine(int threads, FfnPrecision precision) => TestBackends.Open(Backend, threads, precision);

    /// <summary>Runs contiguous rows in a mode; the residual is the input where none is given.</summary>
    internal static float[] Forward(FfnLayer layer, FfnMode mode, float[] input, float[]? residual = null)
    {
        float[] output = new float[input.Length / layer.Spec.InputWidth * layer.Spec.OutputWidth];
        Array.Fill(output, float.NaN);
        Forward(layer, mode, input, residual ?? input, output);
        return output;
    }

    /// <summary>Runs contiguous rows in a mode into a given output.</summary>
    internal static void Forward(FfnLayer layer, FfnMode mode, ReadOnlySpan<float> input, ReadOnlySpan<float> residual, Span<float> output)
    {
        switch (mode)
        {
            case FfnMode.Ffn:
                layer.Forward(input, output);
                break;
            case FfnMode.Residual:
                layer.ForwardResidual(input, residual, output);
                break;
            default:
                layer.ForwardBlock(input, output);
                break;
        }
    }
}
