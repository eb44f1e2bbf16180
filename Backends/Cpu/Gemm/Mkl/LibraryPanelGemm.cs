using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Gemm.Mkl;

/// <summary>A library's product on weights that lie as panels, some of which at a time are widened to float32 rows of columns.</summary>
/// <param name="library">The library's product; null where there is none.</param>
/// <param name="kernel">Reads the panels.</param>
/// <param name="layout">How weights lie.</param>
internal sealed unsafe class LibraryPanelGemm(IMatrixProduct? library, PanelKernel kernel, PanelLayout layout) : LibraryGemm(library)
{
    /// <inheritdoc/>
    public override string Name => "mkl on widened panels";

    /// <inheritdoc/>
    public override IWeightLayout Layout => layout;

    /// <inheritdoc/>
    public override long WorkerElements(in TokenGroup group)
    {
        long most = 0;
        foreach (FfnStage stage in group.Network.Stages)
        {
            most = Math.Max(most, WidenedProduct.BlockElements(stage.Width, stage.InputWidth, kernel.Rows));
        }

        return most;
    }

    /// <inheritdoc/>
    protected override void Multiply(
        int m, int firstColumn, int n, float* a, long lda, NetworkWeights network, int stage, int projection, float* c, long ldc,
        bool accumulate, float* own)
    {
        FfnStage shape = network.Stages[stage];
        byte* panels = layout.Panel(network.Weights[stage].Matrices, shape, firstColumn / kernel.Rows, projection);
        new WidenedProduct(kernel, Library, own).Multiply(m, n, shape.InputWidth, a, lda, panels, shape.ProjectionCount, c, ldc, accumulate);
    }
}
