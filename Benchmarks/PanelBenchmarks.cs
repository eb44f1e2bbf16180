using BenchmarkDotNet.Attributes;
using NativeFfn.Backends.Cpu.Calibration;
using NativeFfn.Backends.Cpu.Panels;

namespace NativeFfn.Benchmarks;

/// <summary>Part of one projection on one thread by the panel kernels, in every precision, the tokens' grouping included.</summary>
[InProcess]
public class PanelBenchmarks
{
    private ProductRace _race = null!;

    [Params(1, 4, 16, 64, 256)]
    public int Tokens { get; set; }

    [ParamsAllValues]
    public FfnPrecision Precision { get; set; }

    [GlobalSetup]
    public void Open() =>
        _race = new ProductRace(new FfnStage(FfnKind.Linear, 1024, 1408, HasBias: false), PanelKernel.Of(Precision), library: null);

    [GlobalCleanup]
    public void Close() => _race.Dispose();

    [Benchmark]
    public void Panels() => _race.RunPanels(Tokens);
}
