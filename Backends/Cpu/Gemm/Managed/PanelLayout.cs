using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Matrices as panels, a gated stage's gate and up panels in turns, so that a forward reads memory from end to end.</summary>
/// <param name="kernel">Packs them.</param>
internal sealed unsafe class PanelLayout(PanelKernel kernel) : IWeightLayout
{
    /// <inheritdoc/>
    public long Elements(FfnStage stage) => checked(
        ((stage.ProjectionCount * kernel.MatrixBytes(stage.Width, stage.InputWidth)) + sizeof(float) - 1) / sizeof(float));

    /// <inheritdoc/>
    public void Read(FfnStage stage, int projection, FfnTensor tensor, IFfnWeightSource source, RowEncoder encoder, float* place)
    {
        long rowBytes = encoder.Encoding.RowBytes(tensor.Columns);
        int panelRows = Math.Min(kernel.Rows, tensor.Rows);
        using var memory = new NativeBuffer(
            ((panelRows * rowBytes) + sizeof(float) - 1) / sizeof(float), $"{panelRows} rows of {tensor.Name}");
        for (int first = 0; first < tensor.Rows; first += kernel.Rows)
        {
            var rows = new Span<byte>(memory.Pointer, checked((int)(Math.Min(panelRows, tensor.Rows - first) * rowBytes)));
            encoder.Read(source, tensor, first, rows);
            kernel.Pack(rows, tensor.Columns, Panel(place, stage, first / kernel.Rows, projection));
        }
    }

    /// <summary>A panel of a projection; 0 is the activated one, 1 the up projection.</summary>
    public byte* Panel(float* matrices, FfnStage stage, int panel, int projection) =>
        (byte*)matrices + ((((long)panel * stage.ProjectionCount) + projection) * kernel.PanelBytes(stage.InputWidth));
}
