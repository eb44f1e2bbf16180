using System.Buffers.Binary;
using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>Brings rows of float32 weights into a device's format, padded with zeros, and sums up what is lost by it.</summary>
internal sealed class WeightEncoder(DeviceFormat format)
{
    // Weights that are compared at a time with what is kept of them.
    private const int ComparedWeights = 256;

    private readonly RoundingLoss _loss = new(format.Precision);

    /// <summary>What was lost so far.</summary>
    public StorageError Error => _loss.Error;

    /// <summary>Encodes rows.</summary>
    /// <param name="tensor">The tensor, for messages.</param>
    /// <param name="firstRow">The first row's place in it.</param>
    /// <param name="rows">Whole rows.</param>
    /// <param name="encoded">Receives as many padded rows.</param>
    /// <param name="scales">Receives a scale a row where the format has them.</param>
    /// <exception cref="NotSupportedException">A weight cannot be kept in the format.</exception>
    public void Encode(FfnTensor tensor, int firstRow, ReadOnlySpan<float> rows, Span<byte> encoded, Span<float> scales)
    {
        int columns = tensor.Columns;
        int rowBytes = DeviceFormat.Padded(columns) * format.OperandBytes;
        encoded.Clear();
        for (int row = 0; row < rows.Length / columns; row++)
        {
            ReadOnlySpan<float> given = rows.Slice(row * columns, columns);
            float scale = 1;
            if (format.IsScaled)
            {
                scales[row] = scale = ScaleOf(given);
            }

            Encode(tensor, firstRow + row, given, encoded.Slice(row * rowBytes, rowBytes), scale);
        }
    }

    /// <summary>Stores one number.</summary>
    /// <param name="format">The format.</param>
    /// <param name="weight">The number.</param>
    /// <param name="target">Receives the format's bytes.</param>
    /// <param name="scale">What the number is divided by in a scaled format.</param>
    /// <returns>What is read back; not finite where the format cannot hold the number.</returns>
    public static float Store(DeviceFormat format, float weight, Span<byte> target, float scale = 1)
    {
        switch (format.Precision)
        {
            case FfnPrecision.BFloat16:
                ushort upper = FloatRounding.ToBFloat16(weight);
                BinaryPrimitives.WriteUInt16LittleEndian(target, upper);
                return FloatRounding.FromBFloat16(upper);
            case FfnPrecision.Float16:
                var half = (Half)weight;
                BinaryPrimitives.WriteHalfLittleEndian(target, half);
                return (float)half;
            case FfnPrecision.Float8:
                byte eighth = FloatRounding.ToE4M3(weight / scale);
                target[0] = eighth;

                // An infinite weight makes the scale infinite; the weights whose fault that is are refused by their names.
                return float.IsFinite(scale) ? FloatRounding.FromE4M3(eighth) * scale : weight - weight;
            default:
                BinaryPrimitives.WriteSingleLittleEndian(target, weight);
                return weight;
        }
    }

    private void Encode(FfnTensor tensor, int row, ReadOnlySpan<float> given, Span<byte> encoded, float scale)
    {
        Span<float> stored = stackalloc float[ComparedWeights];
        for (int first = 0; first < given.Length; first += ComparedWeights)
        {
            ReadOnlySpan<float> part = given.Slice(first, Math.Min(ComparedWeights, given.Length - first));
            Span<byte> target = encoded[(first * format.OperandBytes)..];
            for (int i = 0; i < part.Length; i++)
            {
                stored[i] = Store(format, part[i], target[(i * format.OperandBytes)..], scale);
            }

            if (format.OperandBytes < sizeof(float))
            {
                _loss.Compare(part, stored, tensor, row, first);
            }
        }
    }

    private static float ScaleOf(ReadOnlySpan<float> row)
    {
        float largest = 0;
        foreach (float weight in row)
        {
            largest = Math.Max(largest, Math.Abs(weight));
        }

        // Under the smallest normal number a scale would have lost its digits: such rows are as good as zero.
        float scale = largest / FloatRounding.LargestE4M3;
        return largest == 0 || float.IsSubnormal(scale) ? 1 : scale;
    }
}
