using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Gemm.Sgemm;

/// <summary>A library's product on weights that lie as panels, some of which at a time are widened to float32 rows of columns.</summary>
/// <param name="library">The library's product; null where there is none.</param>
internal sealed unsafe class LibraryPanelGemm(IMatrixProduct? library) : LibraryGemm(library)
{
    /// <inheritdoc/>
    public override string Name => "sgemm on widened panels";

    /// <inheritdoc/>
    public override IWeightLayout Layout => PanelLayout.Instance;

    /// <inheritdoc/>
    public override long WorkerElements(in TokenGroup group)
    {
        long most = 0;
        foreach (StageWeights stage in group.Network.Weights)
        {
            most = Math.Max(most, WidenedProduct.BlockElements(stage.Shape.Width, stage.Shape.InputWidth, stage.KernelOf(0).Rows));
        }

        return most;
    }

    /// <inheritdoc/>
    protected override void Multiply(
        int m, int firstColumn, int n, float* a, long lda, NetworkWeights network, int stage, int projection, float* c, long ldc,
        bool accumulate, float* own)
    {
        StageWeights weights = network.Weights[stage];
        PanelKernel kernel = weights.KernelOf(projection);
        byte* panels = weights.Panel(firstColumn / kernel.Rows, projection);
        new WidenedProduct(kernel, Library, own).Multiply(
            m, n, weights.Shape.InputWidth, a, lda, panels, weights.PanelStride, c, ldc, accumulate);
    }
}
