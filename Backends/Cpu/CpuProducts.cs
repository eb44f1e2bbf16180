using NativeFfn.Backends.Cpu.Calibration;
using NativeFfn.Backends.Cpu.Panels;

namespace NativeFfn.Backends.Cpu;

/// <summary>How a backend multiplies: the panel kernels, a library's product, or each for its token counts.</summary>
internal sealed class CpuProducts
{
    private readonly CpuKernel _kernel;
    private readonly SwitchPoints? _switchPoints;

    private CpuProducts(FfnPrecision precision, CpuKernel kernel, IMatrixProduct? library, string key)
    {
        _kernel = kernel;
        Panels = PanelKernel.Of(precision);
        Library = library;
        if (library is not null && kernel == CpuKernel.Auto)
        {
            _switchPoints = new SwitchPoints(
                stage => new ProductRace(stage, Panels, library), $"{key}, {FfnPrecisionNames.Of(precision)}, panels of {Panels.Format.Rows}");
        }
    }

    /// <summary>The kernels in C#, and the form of the weights that they read.</summary>
    public PanelKernel Panels { get; }

    /// <summary>The library's product; null where there is none.</summary>
    public IMatrixProduct? Library { get; }

    /// <summary>Whether matrices are kept as rows of float32, because only the library reads them.</summary>
    public bool KeepsRows => Library is not null && _kernel == CpuKernel.Mkl && Panels.Format.Precision == FfnPrecision.Float32;

    /// <summary>The panel kernels for everything.</summary>
    public static CpuProducts OfPanels(FfnPrecision precision) => new(precision, CpuKernel.Panels, null, string.Empty);

    /// <summary>A library's product beside the panel kernels.</summary>
    /// <param name="library">The library's product.</param>
    /// <param name="kernel">Which is used; <see cref="CpuKernel.Auto"/> measures.</param>
    /// <param name="precision">How matrices are kept.</param>
    /// <param name="key">What measurements depend on.</param>
    public static CpuProducts WithLibrary(IMatrixProduct library, CpuKernel kernel, FfnPrecision precision, string key) =>
        new(precision, kernel, library, key);

    /// <summary>The most tokens for which a layer uses the panel kernels; may take a moment to measure.</summary>
    /// <remarks>Its largest stage decides for all, so that rows pass from stage to stage in one form.</remarks>
    public int PanelTokens(FfnSpec spec) =>
        Library is null || _kernel == CpuKernel.Panels ? int.MaxValue
        : _kernel == CpuKernel.Mkl ? 0
        : _switchPoints!.Of(spec.Stages.MaxBy(static stage => (long)stage.InputWidth * stage.Width)!);
}
