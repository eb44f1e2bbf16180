using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Matrices as panels, a gated stage's gate and up panels in turns, so that a forward reads memory from end to end.</summary>
internal sealed unsafe class PanelLayout : IWeightLayout
{
    private PanelLayout()
    {
    }

    /// <summary>The layout.</summary>
    public static PanelLayout Instance { get; } = new();

    /// <inheritdoc/>
    public long Elements(StageWeights stage) => checked((stage.PanelsBytes + sizeof(float) - 1) / sizeof(float));

    /// <inheritdoc/>
    public IEnumerable<(long Offset, long Bytes)> Runs(StageWeights stage) => [(0, stage.PanelsBytes)];

    /// <inheritdoc/>
    public void Read(StageWeights stage, int projection, FfnTensor tensor, IFfnWeightSource source, RowEncoder encoder)
    {
        PanelKernel kernel = stage.KernelOf(projection);
        long rowBytes = encoder.Encoding.RowBytes(tensor.Columns);
        int panelRows = Math.Min(kernel.Rows, tensor.Rows);
        using var memory = new NativeBuffer(
            ((panelRows * rowBytes) + sizeof(float) - 1) / sizeof(float), $"{panelRows} rows of {tensor.Name}");
        for (int first = 0; first < tensor.Rows; first += kernel.Rows)
        {
            var rows = new Span<byte>(memory.Pointer, checked((int)(Math.Min(panelRows, tensor.Rows - first) * rowBytes)));
            encoder.Read(source, tensor, first, rows);
            kernel.Pack(rows, tensor.Columns, stage.Panel(first / kernel.Rows, projection));
        }
    }
}
