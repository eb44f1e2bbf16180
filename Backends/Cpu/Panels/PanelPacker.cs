using System.Globalization;

namespace NativeFfn.Backends.Cpu.Panels;

/// <summary>What was lost when weights were stored: two sums over all of them.</summary>
/// <param name="Squared">Σ (stored - given)².</param>
/// <param name="SquaredNorm">Σ given².</param>
internal readonly record struct PackingError(double Squared, double SquaredNorm)
{
    /// <summary>‖stored - given‖ / ‖given‖; 0 where nothing was lost.</summary>
    public double Relative => Squared == 0 ? 0 : Math.Sqrt(Squared / SquaredNorm);

    public static PackingError operator +(PackingError left, PackingError right) =>
        new(left.Squared + right.Squared, left.SquaredNorm + right.SquaredNorm);
}

/// <summary>Stores rows of float32 weights in a panel, and sums up what is lost by it.</summary>
internal sealed unsafe class PanelPacker(PanelFormat format)
{
    // The largest magnitude of an int8 on both sides of zero.
    private const float Int8Largest = 127;

    private double _squaredError;
    private double _squaredNorm;

    /// <summary>What was lost so far.</summary>
    public PackingError Error => new(_squaredError, _squaredNorm);

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
                    Compare(given, stored, tensor, firstRow + row, column);
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
                    ushort bits = RoundToBFloat16(given[i]);
                    *Half(group, row, i) = bits;
                    stored[i] = BitConverter.UInt32BitsToSingle((uint)bits << 16);
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

    // To nearest, ties to even; a NaN keeps its upper bits and stays one.
    private static ushort RoundToBFloat16(float value)
    {
        const uint quietNaN = 0x0040_0000;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((float.IsNaN(value) ? bits | quietNaN : bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private void Compare(ReadOnlySpan<float> given, ReadOnlySpan<float> stored, FfnTensor tensor, int row, int firstColumn)
    {
        for (int i = 0; i < given.Length; i++)
        {
            double error = (double)stored[i] - given[i];
            if (!double.IsFinite(error) && !(format.Precision == FfnPrecision.BFloat16 && !float.IsFinite(given[i])))
            {
                throw new NotSupportedException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{tensor.Name}[{row}, {firstColumn + i}] is {given[i]:R}, which {FfnPrecisionNames.Of(format.Precision)} cannot hold. Use precision {(format.Precision == FfnPrecision.BFloat16 ? "f32" : "f32 or bf16")}."));
            }

            if (double.IsFinite(error))
            {
                _squaredError += error * error;
                _squaredNorm += (double)given[i] * given[i];
            }
        }
    }
}
