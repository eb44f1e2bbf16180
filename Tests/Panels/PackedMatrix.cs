using NativeFfn.Backends.Cpu.Panels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Panels;

/// <summary>A matrix in panels that lie beside a page which may not be touched.</summary>
internal sealed unsafe class PackedMatrix : IDisposable
{
    private readonly GuardedBuffer _memory;

    public PackedMatrix(PanelKernel kernel, int columns, ReadOnlySpan<float> weights, GuardSide side = GuardSide.After)
    {
        (Kernel, Columns, Rows) = (kernel, columns, weights.Length / columns);
        PanelFormat format = kernel.Format;
        _memory = new GuardedBuffer((int)(format.MatrixBytes(Rows, columns) / sizeof(float)), side);

        // Whatever packing leaves alone would come out as NaN, or as a large number.
        _memory.Span.Fill(float.NaN);
        var packer = new PanelPacker(format);
        for (int panel = 0; panel < Panels; panel++)
        {
            int first = panel * format.Rows;
            packer.Pack(Tensor(Rows, columns), first, weights[(first * columns)..(Math.Min(first + format.Rows, Rows) * columns)], Panel(panel));
        }

        RelativeError = packer.Error.Relative;
    }

    public PanelKernel Kernel { get; }

    public int Rows { get; }

    public int Columns { get; }

    public int Panels => Kernel.Format.Panels(Rows);

    public double RelativeError { get; }

    public static FfnTensor Tensor(int rows, int columns) => new(FfnTensorRole.Weight, 0, "gate.weight", rows, columns);

    public byte* Panel(int panel) => (byte*)_memory.Pointer + (panel * Kernel.Format.PanelBytes(Columns));

    /// <summary>All panels side by side, as <c>[padded columns, padded rows]</c>.</summary>
    public float[] Unpack()
    {
        int stride = Panels * Kernel.Format.Rows;
        using var unpacked = new GuardedBuffer((int)PanelFormat.PaddedColumns(Columns) * stride, GuardSide.After);
        unpacked.Span.Fill(float.NaN);
        for (int panel = 0; panel < Panels; panel++)
        {
            Kernel.Unpack(Panel(panel), PanelFormat.Groups(Columns), unpacked.Pointer + (panel * Kernel.Format.Rows), stride);
        }

        return unpacked.Span.ToArray();
    }

    public void Dispose() => _memory.Dispose();
}
