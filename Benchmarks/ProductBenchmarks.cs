using BenchmarkDotNet.Attributes;
using NativeFfn.Bindings.Mkl;

namespace NativeFfn.Benchmarks;

/// <summary>One projection on one thread: MKL's sgemm; PanelBenchmarks are on the same one.</summary>
[InProcess]
public class ProductBenchmarks
{
    private const int Columns = 1408;
    private const int Depth = 1024;

    private MklLibrary _mkl = null!;
    private float[] _input = [];
    private float[] _weights = [];
    private float[] _output = [];

    [Params(1, 4, 16, 64, 256)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Open()
    {
        _mkl = MklLibrary.Load(null);
        _input = RandomRows.Create(Tokens * Depth);
        _weights = RandomRows.Create(Columns * Depth);
        _output = new float[Tokens * Columns];
    }

    [Benchmark(Baseline = true)]
    public unsafe void MklSgemmPlain()
    {
        fixed (float* input = _input, weights = _weights, output = _output)
        {
            MklSgemm.Multiply(_mkl, Tokens, Columns, Depth, input, Depth, weights, Depth, transposed: true, output, Columns, accumulate: false);
        }
    }
}
