using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Onnx;

/// <summary>How the matrices of a model are written and multiplied.</summary>
internal abstract class GraphMatrices
{
    // Field numbers of GraphProto and TensorProto.
    private protected const int Initializers = 5;
    private protected const int Overhead = 4096;

    /// <summary>What the matrix that lost most has lost: ‖written − given‖₂ / ‖given‖₂.</summary>
    public QuantizationError Error { get; protected set; }

    /// <summary>Bytes of a matrix <c>[rows, columns]</c> in the file.</summary>
    public abstract long BytesOf(int rows, int columns);

    /// <summary>Adds the node x · Wᵀ.</summary>
    /// <param name="graph">The GraphProto.</param>
    /// <param name="output">The product's name.</param>
    /// <param name="input">The name of x.</param>
    /// <param name="rows">Rows of W, which are columns of the product.</param>
    /// <param name="columns">Columns of W.</param>
    public abstract void AddProduct(ProtobufWriter graph, string output, string input, int rows, int columns);

    /// <summary>Adds the matrix that the node of the same name multiplies by.</summary>
    /// <param name="graph">The GraphProto.</param>
    /// <param name="product">The product's name.</param>
    /// <param name="matrix">W, row-major <c>[rows, columns]</c>.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="columns">Its columns.</param>
    public abstract void AddMatrix(ProtobufWriter graph, string product, AlignedFloats matrix, int rows, int columns);

    /// <summary>A TensorProto.</summary>
    private protected static ProtobufWriter Tensor<T>(string name, int type, ReadOnlySpan<T> values, params ReadOnlySpan<int> dimensions)
        where T : struct
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values);
        var tensor = new ProtobufWriter(bytes.Length + Overhead);
        foreach (int dimension in dimensions)
        {
            tensor.Number(1, dimension);
        }

        return tensor.Number(2, type).Text(8, name).Bytes(9, bytes);
    }
}

/// <summary>float32 for the operator MatMul, which takes matrices transposed: <c>[columns, rows]</c>.</summary>
internal sealed class FloatMatrices : GraphMatrices
{
    public override long BytesOf(int rows, int columns) => (long)sizeof(float) * rows * columns;

    public override void AddProduct(ProtobufWriter graph, string output, string input, int rows, int columns) =>
        graph.Message(1, FfnGraph.Node("MatMul", output, input, output + ".weight"));

    public override void AddMatrix(ProtobufWriter graph, string product, AlignedFloats matrix, int rows, int columns)
    {
        var transposed = new float[matrix.Length];
        ReadOnlySpan<float> source = matrix.Span;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                transposed[(column * rows) + row] = source[(row * columns) + column];
            }
        }

        graph.Message(Initializers, Tensor<float>(product + ".weight", FfnGraph.Float, transposed, columns, rows));
    }
}

/// <summary>
/// Blocks of 32 codes with a float32 scale for the operator MatMulNBits of com.microsoft: w ≈ scale · (code − 2ᵇ⁻¹), as ONNX Runtime's own
/// quantiser writes them without zero points: the scale takes the block's largest weight to the lowest code.
/// </summary>
/// <param name="bits">b, 4 or 8.</param>
/// <param name="accuracyLevel">What it may round rows to: 0 leaves them floats, 4 allows 8-bit integers with a scale a block.</param>
internal sealed class BlockMatrices(int bits, int accuracyLevel) : GraphMatrices
{
    /// <summary>Weights that share a scale.</summary>
    public const int BlockSize = 32;

    // TensorProto.DataType.UINT8, AttributeProto.AttributeType.INT and field numbers of NodeProto.
    private const int Bytes = 2;
    private const int IntegerAttribute = 2;
    private const int Attribute = 5;
    private const int Domain = 7;

    private int BlockBytes => BlockSize * bits / 8;

    public override long BytesOf(int rows, int columns) => (long)rows * Blocks(columns) * (BlockBytes + sizeof(float));

    public override void AddProduct(ProtobufWriter graph, string output, string input, int rows, int columns)
    {
        ProtobufWriter node = FfnGraph.Node("MatMulNBits", output, input, output + ".codes", output + ".scales")
            .Text(Domain, FfnGraph.ContribDomain);
        foreach ((string name, int value) in new[]
        {
            ("K", columns), ("N", rows), ("bits", bits), ("block_size", BlockSize), ("accuracy_level", accuracyLevel),
        })
        {
            node.Message(Attribute, new ProtobufWriter().Text(1, name).Number(3, value).Number(20, IntegerAttribute));
        }

        graph.Message(1, node);
    }

    public override void AddMatrix(ProtobufWriter graph, string product, AlignedFloats matrix, int rows, int columns)
    {
        int blocks = Blocks(columns);
        var codes = new byte[checked(rows * blocks * BlockBytes)];
        var scales = new float[rows * blocks];
        QuantizationError error = default;
        for (int block = 0; block < scales.Length; block++)
        {
            (int row, int first) = (block / blocks, block % blocks * BlockSize);
            ReadOnlySpan<float> weights = matrix.Span.Slice((row * columns) + first, Math.Min(BlockSize, columns - first));
            error += Quantize(weights, codes.AsSpan(block * BlockBytes, BlockBytes), out scales[block]);
        }

        Error = QuantizationError.Worst(Error, error);
        graph.Message(Initializers, Tensor<byte>(product + ".codes", Bytes, codes, rows, blocks, BlockBytes));
        graph.Message(Initializers, Tensor<float>(product + ".scales", FfnGraph.Float, scales, rows, blocks));
    }

    private static int Blocks(int columns) => (columns + BlockSize - 1) / BlockSize;

    // What a row lacks to a whole block is never read: its product is with zeros.
    private QuantizationError Quantize(ReadOnlySpan<float> weights, Span<byte> codes, out float scale)
    {
        int zero = 1 << (bits - 1);
        float largest = 0;
        foreach (float weight in weights)
        {
            largest = Math.Abs(weight) > Math.Abs(largest) ? weight : largest;
        }

        scale = largest / -zero;
        (double squared, double norm) = (0, 0);
        for (int i = 0; i < weights.Length; i++)
        {
            int code = scale == 0 ? zero : Math.Clamp((int)MathF.Round(weights[i] / scale) + zero, 0, (2 * zero) - 1);
            codes[i * bits / 8] |= (byte)(code << (i * bits % 8));
            double lost = (scale * (code - zero)) - weights[i];
            squared += lost * lost;
            norm += (double)weights[i] * weights[i];
        }

        return new QuantizationError(squared, norm);
    }
}
