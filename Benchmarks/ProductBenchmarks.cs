using BenchmarkDotNet.Attributes;
using NativeFfn.Backends.Managed.Kernels;
using NativeFfn.Bindings.Mkl;

namespace NativeFfn.Benchmarks;

/// <summary>One projection on one thread: MKL's sgemm, its packed form, and the product in C#.</summary>
[InProcess]
public class ProductBenchmarks
{
    private const int Columns = 1408;
    private const int Depth = 1024;

    private MklLibrary _mkl = null!;
    private MklPackedMatrix _packed = null!;
    private readonly ManagedProduct _managed = new();
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
        _packed = new MklPackedMatrix(_mkl, Tokens, Columns, Depth, _weights);
    }

    [GlobalCleanup]
    public void Close() => _packed.Dispose();

    [Benchmark(Baseline = true)]
    public unsafe void MklSgemmPlain()
    {
        fixed (float* input = _input, weights = _weights, output = _output)
        {
            MklSgemm.MultiplyTransposed(_mkl, Tokens, Columns, Depth, input, Depth, weights, Depth, output, Columns, accumulate: false);
        }
    }

    [Benchmark]
    public void MklSgemmPacked() => _packed.Multiply(_input, _output);

    [Benchmark]
    public unsafe void Managed()
    {
        fixed (float* input = _input, weights = _weights, output = _output)
        {
            _managed.Multiply(Tokens, Columns, Depth, input, Depth, weights, Depth, output, Columns, accumulate: false);
        }
    }
}
