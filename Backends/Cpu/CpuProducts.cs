using NativeFfn.Backends.Cpu.Calibration;

namespace NativeFfn.Backends.Cpu;

/// <summary>The products of a backend, and which one a stage uses for how many tokens.</summary>
internal sealed class CpuProducts
{
    private readonly IMatrixProduct _library;
    private readonly IMatrixProduct _skinny;
    private readonly Func<FfnStage, int> _switchPoint;

    private CpuProducts(IMatrixProduct library, IMatrixProduct skinny, Func<FfnStage, int> switchPoint)
    {
        _library = library;
        _skinny = skinny;
        _switchPoint = switchPoint;
    }

    /// <summary>One product for everything.</summary>
    public static CpuProducts Only(IMatrixProduct product) => new(product, product, static _ => 0);

    /// <summary>The skinny product up to a switch point, the library's beyond.</summary>
    public static CpuProducts Switched(IMatrixProduct library, IMatrixProduct skinny, string key) =>
        new(library, skinny, new SwitchPoints(library, skinny, key).Of);

    /// <summary>The most tokens for which a stage uses the skinny product; may take a moment to measure.</summary>
    public int SwitchPointOf(FfnStage stage) => _switchPoint(stage);

    /// <summary>The product for some tokens.</summary>
    public IMatrixProduct For(int tokens, int switchPoint) => tokens <= switchPoint ? _skinny : _library;
}
