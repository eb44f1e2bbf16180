using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Panels;

/// <summary>A matrix in panels that lie beside a page which may not be touched.</summary>
internal sealed unsafe class PackedMatrix : IDisposable
{
    private readonly GuardedBuffer _memory;

    public PackedMatrix(PanelKernel kernel, int columns, ReadOnlySpan<float> weights, GuardSide side = GuardSide.After)
    {
        (Kernel, Columns, Rows) = (kernel, columns, weights.Length / columns);
        _memory = new GuardedBuffer((int)((kernel.MatrixBytes(Rows, columns) + 3) / sizeof(float)), side);

        // Whatever packing leaves alone would come out as NaN, or as a large number.
        _memory.Span.Fill(float.NaN);
        var encoder = new RowEncoder(kernel.Encoding);
        var source = new FfnMemoryWeights(FfnSpec.Stack(new FfnStage(FfnKind.Linear, columns, Rows, false))).Set("layers.0.weight", weights.ToArray());
        FfnTensor tensor = FfnSpec.Stack(new FfnStage(FfnKind.Linear, columns, Rows, false)).Tensors[0];
        int rowBytes = (int)kernel.Encoding.RowBytes(columns);
        for (int panel = 0; panel < Panels; panel++)
        {
            int first = panel * kernel.Rows;
            byte[] rows = new byte[(Math.Min(first + kernel.Rows, Rows) - first) * rowBytes];
            encoder.Read(source, tensor, first, rows);
            kernel.Pack(rows, columns, Panel(panel));
        }

        RelativeError = encoder.Error.Relative;
    }

    /// <summary>A matrix whose rows are encoded already.</summary>
    public PackedMatrix(PanelKernel kernel, int columns, byte[] rows, GuardSide side = GuardSide.After)
    {
        int rowBytes = (int)kernel.Encoding.RowBytes(columns);
        (Kernel, Columns, Rows) = (kernel, columns, rows.Length / rowBytes);
        _memory = new GuardedBuffer((int)((kernel.MatrixBytes(Rows, columns) + 3) / sizeof(float)), side);
        _memory.Span.Fill(float.NaN);
        for (int panel = 0; panel < Panels; panel++)
        {
            int first = panel * kernel.Rows;
            kernel.Pack(rows.AsSpan(first * rowBytes, Math.Min(kernel.Rows, Rows - first) * rowBytes), columns, Panel(panel));
        }
    }

    public PanelKernel Kernel { get; }

    public int Rows { get; }

    public int Columns { get; }

    public int Panels => Kernel.Panels(Rows);

    public double RelativeError { get; }

    public byte* Panel(int panel) => (byte*)_memory.Pointer + (panel * Kernel.PanelBytes(Columns));

    /// <summary>All panels side by side, as <c>[padded columns, padded rows]</c>.</summary>
    public float[] Unpack()
    {
        int stride = Panels * Kernel.Rows;
        using var unpacked = new GuardedBuffer((int)PanelFormat.PaddedColumns(Columns) * stride, GuardSide.After);
        unpacked.Span.Fill(float.NaN);
        for (int panel = 0; panel < Panels; panel++)
        {
            Kernel.Unpack(Panel(panel), Columns, 0, PanelFormat.Groups(Columns), unpacked.Pointer + (panel * Kernel.Rows), stride);
        }

        return unpacked.Span.ToArray();
    }

    public void Dispose() => _memory.Dispose();
}
