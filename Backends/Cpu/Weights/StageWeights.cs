using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Weights;

/// <summary>The matrices and biases of a stage in a network's memory; each projection has an encoding of its own.</summary>
/// <param name="shape">The stage.</param>
/// <param name="kernels">How each projection is packed and read: the activated one, then the up projection where there is one.</param>
internal sealed unsafe class StageWeights(FfnStage shape, params PanelKernel[] kernels)
{
    private readonly long _firstPanelBytes = kernels[0].PanelBytes(shape.InputWidth);

    /// <summary>The stage.</summary>
    public FfnStage Shape { get; } = shape;

    /// <summary>The projections, as the network's layout has them.</summary>
    public float* Matrices { get; set; }

    /// <summary>The bias of the activated projection; null where the stage has none.</summary>
    public float* Bias { get; set; }

    /// <summary>The bias of the up projection; null where the stage has none.</summary>
    public float* UpBias { get; set; }

    /// <summary>The projections' encodings.</summary>
    public IEnumerable<WeightEncoding> Encodings => kernels.Select(static kernel => kernel.Encoding);

    /// <summary>Tiles of tokens from which on a projection is widened.</summary>
    public int TilesWorthWidening { get; } = kernels.Min(static kernel => kernel.TilesWorthWidening);

    /// <summary>Whether a token is multiplied by two panels at a time, of two projections too.</summary>
    public bool PairsPanels { get; } = kernels.All(kernel => kernel.PairsPanels && kernel.Encoding == kernels[0].Encoding);

    /// <summary>Whether all projections want tokens in one form.</summary>
    public bool HasOneForm => kernels.All(kernel => kernel.Form == kernels[0].Form);

    /// <summary>The order in which all projections want the columns of their input; null where that is their own.</summary>
    public int[]? ColumnOrder => kernels[0].ColumnOrder;

    /// <summary>Bytes of all projections as panels, which lie in turns: a panel of each, so that a forward reads memory from end to end.</summary>
    public long PanelsBytes { get; } = kernels.Sum(kernel => kernel.MatrixBytes(shape.Width, shape.InputWidth));

    /// <summary>Bytes from one panel of a projection to the next.</summary>
    public long PanelStride { get; } = kernels.Sum(kernel => kernel.PanelBytes(shape.InputWidth));

    /// <summary>The kernel of a projection.</summary>
    /// <param name="projection">0 for the activated one, 1 for the up projection.</param>
    public PanelKernel KernelOf(int projection) => kernels[projection];

    /// <summary>A panel of a projection.</summary>
    /// <param name="panel">The panel, from 0.</param>
    /// <param name="projection">0 for the activated one, 1 for the up projection.</param>
    public byte* Panel(int panel, int projection) => (byte*)Matrices + (panel * PanelStride) + (projection * _firstPanelBytes);
}
