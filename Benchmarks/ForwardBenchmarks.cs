using BenchmarkDotNet.Attributes;

namespace NativeFfn.Benchmarks;

/// <summary>A whole layer with its residual, on every backend: time and bytes allocated for one forward.</summary>
[InProcess]
[MemoryDiagnoser]
public class ForwardBenchmarks
{
    private FfnEngine _engine = null!;
    private FfnLayer _layer = null!;
    private float[] _input = [];
    private float[] _output = [];

    [Params(BackendKind.Managed, BackendKind.Mkl)]
    public BackendKind Backend { get; set; }

    [Params(1, 16, 128)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Open()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 1024, 2816);
        _engine = FfnEngine.Create(new FfnEngineOptions { Backend = Backend });
        _layer = _engine.CreateLayer(spec, new XavierWeights(spec, seed: 1));
        _input = RandomRows.Create(Tokens * spec.InputWidth);
        _output = new float[Tokens * spec.OutputWidth];
    }

    [GlobalCleanup]
    public void Close()
    {
        _layer.Dispose();
        _engine.Dispose();
    }

    [Benchmark]
    public void ForwardResidual() => _layer.ForwardResidual(_input, _input, _output);
}
