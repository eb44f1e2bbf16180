using BenchmarkDotNet.Attributes;
using NativeFfn.Backends.Cpu.Kernels;

namespace NativeFfn.Benchmarks;

/// <summary>Activation and gate product over one row of d_ff.</summary>
[InProcess]
public class ActivationBenchmarks
{
    private readonly float[] _up = RandomRows.Create(DFf);
    private readonly float[] _source = RandomRows.Create(DFf);
    private readonly float[] _gate = new float[DFf];

    private const int DFf = 5632;

    [ParamsAllValues]
    public Activation Activation { get; set; }

    [Benchmark]
    public unsafe void Gated()
    {
        // The kernel works in place, and its own output would wander to zero or infinity.
        _source.CopyTo(_gate, 0);
        fixed (float* gate = _gate, up = _up)
        {
            ActivationKernel.Gated(Activation, gate, null, up, null, DFf);
        }
    }
}
