using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu.Panels;

/// <summary>Stores rows of float32 weights in a panel, and sums up what is lost by it.</summary>
internal sealed unsafe class PanelPacker(PanelFormat format)
{
    // The largest magnitude of an int8 on both sides of zero.
    private const float Int8Largest = 127;

    private readonly RoundingLoss _loss = new(format.Precision);

    /// <summary>What was lost so far.</summary>
    public StorageError Error => _loss.Error;

    /// <summary>Stores a panel.</summary>
    /// <param name="tensor">The tensor, for messages.</param>
    /// <param name="firstRow">The panel's first row in it.</param>
    /// <param name="rows">The panel's rows, or fewer at the end of the tensor.</param>
    /// <param name="panel">Receives <see cref="PanelFormat.PanelBytes"/>.</param>
    /// <exception cref="NotSupportedException">A weight cannot be kept in the format.</exception>
    public void Pack(FfnTensor tensor, int firstRow, ReadOnlySpan<float> rows, byte* panel)
    {
        int columns = tensor.Columns;
        int count = rows.Length / columns;
        Span<float> stored = stackalloc float[PanelFormat.GroupColumns];
        for (int column = 0; column < columns; column += PanelFormat.GroupColumns, panel += format.GroupBytes)
        {
            new Span<byte>(panel, format.GroupBytes).Clear();
            for (int row = 0; row < count; row++)
            {
                ReadOnlySpan<float> given = rows.Slice((row * columns) + column, Math.Min(PanelFormat.GroupColumns, columns - column));
                Store(given, panel, row, stored);
                if (format.Precision != FfnPrecision.Float32)
                {
                    _loss.Compare(given, stored, tensor, firstRow + row, column);
                }
            }
        }
    }

    private void Store(ReadOnlySpan<float> given, byte* group, int row, Span<float> stored)
    {
        switch (format.Precision)
        {
            case FfnPrecision.Float32:
                for (int i = 0; i < given.Length; i++)
                {
                    ((float*)group)[(i * format.Rows) + row] = given[i];
                }

                break;
            case FfnPrecision.BFloat16:
                for (int i = 0; i < given.Length; i++)
                {
                    ushort bits = FloatRounding.ToBFloat16(given[i]);
                    *Half(group, row, i) = bits;
                    stored[i] = FloatRounding.FromBFloat16(bits);
                }

                break;
            case FfnPrecision.Float16:
                for (int i = 0; i < given.Length; i++)
                {
                    var half = (Half)given[i];
                    *Half(group, row, i) = BitConverter.HalfToUInt16Bits(half);
                    stored[i] = (float)half;
                }

                break;
            default:
                StoreInt8(given, group, row, stored);
                break;
        }
    }

    private void StoreInt8(ReadOnlySpan<float> given, byte* group, int row, Span<float> stored)
    {
        float largest = 0;
        foreach (float weight in given)
        {
            // NaN and infinity must come out, to be refused.
            largest = Math.Max(largest, Math.Abs(weight));
        }

        float scale = largest / Int8Largest;
        ((float*)group)[row] = scale;
        sbyte* bytes = (sbyte*)(group + format.ScaleBytes);
        for (int i = 0; i < given.Length; i++)
        {
            // In float64, where the reciprocal of a tiny scale is still a number.
            double steps = scale == 0 ? 0 : Math.Clamp(Math.Round(given[i] / (double)scale), -Int8Largest, Int8Largest);
            sbyte whole = double.IsFinite(steps) ? (sbyte)steps : (sbyte)0;
            bytes[(i * format.Rows) + row] = whole;

            // Where the scale is no number, only the weights whose fault that is come out as NaN, to be refused by their names.
            stored[i] = float.IsFinite(scale) ? whole * scale : given[i] - given[i];
        }
    }

    // A lane of 32 bits holds an even column below an odd one.
    private ushort* Half(byte* group, int row, int column) =>
        (ushort*)group + ((column / 2 * format.Rows * 2) + (row * 2) + (column % 2));
}
