using NativeFfn.Backends.Encodings;

namespace NativeFfn.Tests.Support;

/// <summary>What a precision can hold of given weights, by the definition of its numbers in float64 and not by their bits.</summary>
internal static class StoredWeights
{
    /// <summary>Weights of a row that share an int8 scale.</summary>
    public const int GroupWeights = 32;

    public const int Int8Largest = 127;

    private const int Int4BlockBytes = 18;

    /// <summary>A layer's weights with every matrix rounded; biases and norms stay as they are, and so does the router of a mixture.</summary>
    public static FfnMemoryWeights Of(FfnPrecision precision, FfnSpec spec, FfnMemoryWeights weights)
    {
        var stored = new FfnMemoryWeights(spec);
        foreach (FfnTensor tensor in spec.Tensors)
        {
            ReadOnlyMemory<float> given = weights.Get(tensor.Name);
            stored.Set(tensor.Name, IsRounded(tensor) ? Of(precision, given.Span, tensor.Columns) : given.ToArray());
        }

        return stored;
    }

    /// <summary>A matrix of rows of so many columns.</summary>
    public static float[] Of(FfnPrecision precision, ReadOnlySpan<float> matrix, int columns)
    {
        float[] stored = matrix.ToArray();
        for (int i = 0; i < stored.Length; i++)
        {
            stored[i] = precision switch
            {
                FfnPrecision.BFloat16 => (float)NumberFormat.BFloat16.Round(stored[i]),
                FfnPrecision.Float16 => (float)NumberFormat.Float16.Round(stored[i]),
                _ => stored[i],
            };
        }

        for (int row = 0; (precision is FfnPrecision.Int8 or FfnPrecision.W8A8) && row < stored.Length; row += columns)
        {
            for (int column = 0; column < columns; column += GroupWeights)
            {
                Quantize(stored.AsSpan(row + column, Math.Min(GroupWeights, columns - column)));
            }
        }

        for (int row = 0; (precision is FfnPrecision.Int4 or FfnPrecision.W4A8) && row < stored.Length; row += columns)
        {
            Span<float> weights = stored.AsSpan(row, columns);
            byte[] blocks = new byte[(columns + GroupWeights - 1) / GroupWeights * Int4BlockBytes];
            WeightEncodings.Int4.Encode(weights, blocks);
            Array.ConvertAll(DecodeInt4(blocks, columns), static weight => (float)weight).CopyTo(weights);
        }

        for (int row = 0; precision == FfnPrecision.Float8 && row < stored.Length; row += columns)
        {
            Scale8(stored.AsSpan(row, columns));
        }

        return stored;
    }

    /// <summary>Rows of 4-bit weights by their definition: a block of 32 is a bfloat16 scale, then two codes a byte, the even weight's below.</summary>
    /// <remarks>Which codes are best is a search, whose result has no formula; what they mean has one.</remarks>
    public static double[] DecodeInt4(ReadOnlySpan<byte> rows, int columns)
    {
        int rowBytes = (columns + GroupWeights - 1) / GroupWeights * Int4BlockBytes;
        var weights = new double[rows.Length / rowBytes * columns];
        for (int i = 0; i < weights.Length; i++)
        {
            (int row, int column) = (i / columns, i % columns);
            int block = (row * rowBytes) + (column / GroupWeights * Int4BlockBytes);
            float scale = BitConverter.UInt32BitsToSingle((uint)((rows[block] << 16) | (rows[block + 1] << 24)));
            int code = (rows[block + 2 + (column % GroupWeights / 2)] >> (4 * (column % 2))) & 15;
            weights[i] = scale * (double)(code < 8 ? code : code - 16);
        }

        return weights;
    }

    /// <summary>The scale of a group: its largest magnitude becomes 127.</summary>
    public static float Scale(ReadOnlySpan<float> group)
    {
        double largest = 0;
        foreach (float weight in group)
        {
            largest = Math.Max(largest, Math.Abs((double)weight));
        }

        return (float)(largest / Int8Largest);
    }

    /// <summary>‖stored - given‖ / ‖given‖ of the matrix that loses most of those that are rounded.</summary>
    public static double Error(FfnPrecision precision, FfnSpec spec, FfnMemoryWeights weights)
    {
        FfnMemoryWeights stored = Of(precision, spec, weights);
        double worst = 0;
        foreach (FfnTensor tensor in spec.Tensors.Where(IsRounded))
        {
            (double squaredError, double squaredNorm) = (0, 0);
            foreach ((float kept, float given) in stored.Get(tensor.Name).ToArray().Zip(weights.Get(tensor.Name).ToArray()))
            {
                squaredError += ((double)kept - given) * ((double)kept - given);
                squaredNorm += (double)given * given;
            }

            worst = Math.Max(worst, squaredError == 0 ? 0 : Math.Sqrt(squaredError / squaredNorm));
        }

        return worst;
    }

    private static bool IsRounded(FfnTensor tensor) => !tensor.IsVector && tensor.Role != FfnTensorRole.RouterWeight;

    // A row of E4M3 with a scale, which float32 divides by and multiplies with; under its smallest normal number there is none.
    private static void Scale8(Span<float> row)
    {
        float largest = 0;
        foreach (float weight in row)
        {
            largest = Math.Max(largest, Math.Abs(weight));
        }

        float scale = largest / (float)NumberFormat.E4M3.Largest;
        scale = float.IsNormal(scale) ? scale : 1;
        foreach (ref float weight in row)
        {
            weight = (float)NumberFormat.E4M3.Round(weight / scale) * scale;
        }
    }

    private static void Quantize(Span<float> group)
    {
        double scale = Scale(group);
        foreach (ref float weight in group)
        {
            // The nearer of the two whole numbers of scales beside it, the even one where it lies in the middle.
            double below = scale == 0 ? 0 : Math.Floor(weight / scale);
            double beyond = scale == 0 ? 0 : (weight / scale) - below;
            bool up = beyond == 0.5 ? below % 2 != 0 : beyond > 0.5;
            weight = (float)(Math.Clamp(up ? below + 1 : below, -Int8Largest, Int8Largest) * scale);
        }
    }
}
