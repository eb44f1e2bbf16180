using System.Runtime.InteropServices;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Onnx;

/// <summary>A SwiGLU or plain ReLU layer as an ONNX model, as an exporter would write it.</summary>
/// <remarks>Field numbers are those of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto</remarks>
internal static class FfnGraph
{
    /// <summary>The graph's input, float32 <c>[tokens, d_model]</c> with any number of tokens.</summary>
    public const string Input = "x";

    /// <summary>The graph's output, float32 <c>[tokens, d_model]</c>.</summary>
    public const string Output = "y";

    // Opset 17 came with file format 8.
    private const int FormatVersion = 8;
    private const int OpsetVersion = 17;

    // TensorProto.DataType.FLOAT.
    private const int Float = 1;

    // A protobuf message ends at 2 GiB, and names and structure need a little.
    private const long MaxWeightBytes = int.MaxValue - (1 << 20);

    private const int Overhead = 4096;

    /// <summary>Writes the model.</summary>
    /// <param name="weights">The layer; its matrices are stored transposed, <c>[in, out]</c>, as MatMul takes them.</param>
    /// <param name="addsInput">Whether the graph's output is x + FFN(x), and not FFN(x) alone.</param>
    /// <exception cref="NotSupportedException">The weights do not fit into one file, or the layer is neither SwiGLU nor plain ReLU.</exception>
    public static byte[] Write(LayerWeights weights, bool addsInput)
    {
        if (weights.ByteCount > MaxWeightBytes)
        {
            throw new NotSupportedException(
                $"the weights have {weights.ByteCount} bytes, and one ONNX file holds at most {MaxWeightBytes}; take a smaller --shape.");
        }

        (int dModel, int dFf) = (weights.Spec.DModel, weights.Spec.DFf);
        int capacity = (int)weights.ByteCount + Overhead;
        var graph = new ProtobufWriter(capacity);
        if (weights.Spec.Stages[0].Kind == FfnKind.SwiGlu)
        {
            graph.Message(1, Node("MatMul", "gate", Input, "gate.weight"))
                .Message(1, Node("MatMul", "up", Input, "up.weight"))
                .Message(1, Node("Sigmoid", "sigmoid", "gate"))
                .Message(1, Node("Mul", "silu", "gate", "sigmoid"))
                .Message(1, Node("Mul", "hidden", "silu", "up"))
                .Message(5, Initializer("up.weight", weights.Up, rows: dFf, columns: dModel));
        }
        else if (weights.Spec.Stages[0].Kind == FfnKind.Relu)
        {
            graph.Message(1, Node("MatMul", "gate", Input, "gate.weight")).Message(1, Node("Relu", "hidden", "gate"));
        }
        else
        {
            throw new NotSupportedException($"{weights.Spec} is neither a SwiGLU nor a plain ReLU layer, the two that are written as graphs.");
        }

        graph.Message(1, Node("MatMul", addsInput ? "down" : Output, "hidden", "down.weight"));
        if (addsInput)
        {
            graph.Message(1, Node("Add", Output, Input, "down"));
        }

        graph.Text(2, "ffn")
            .Message(5, Initializer("gate.weight", weights.Gate, rows: dFf, columns: dModel))
            .Message(5, Initializer("down.weight", weights.Down, rows: dModel, columns: dFf))
            .Message(11, Rows(Input, dModel))
            .Message(12, Rows(Output, dModel));
        return new ProtobufWriter(capacity + Overhead)
            .Number(1, FormatVersion)
            .Text(2, "NativeFfn.Bench")
            .Message(7, graph)
            .Message(8, new ProtobufWriter().Text(1, string.Empty).Number(2, OpsetVersion))
            .Written.ToArray();
    }

    // A NodeProto; it is named after its one output.
    private static ProtobufWriter Node(string operation, string output, params ReadOnlySpan<string> inputs)
    {
        var node = new ProtobufWriter();
        foreach (string input in inputs)
        {
            node.Text(1, input);
        }

        return node.Text(2, output).Text(3, output).Text(4, operation);
    }

    // A TensorProto with the transpose of a row-major matrix.
    private static ProtobufWriter Initializer(string name, AlignedFloats matrix, int rows, int columns)
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

        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(transposed.AsSpan());
        return new ProtobufWriter(bytes.Length + Overhead)
            .Number(1, columns)
            .Number(1, rows)
            .Number(2, Float)
            .Text(8, name)
            .Bytes(9, bytes);
    }

    // A ValueInfoProto; the first dimension has a name in place of a number.
    private static ProtobufWriter Rows(string name, int width)
    {
        ProtobufWriter shape = new ProtobufWriter()
            .Message(1, new ProtobufWriter().Text(2, "tokens"))
            .Message(1, new ProtobufWriter().Number(1, width));
        ProtobufWriter tensor = new ProtobufWriter().Number(1, Float).Message(2, shape);
        return new ProtobufWriter().Text(1, name).Message(2, new ProtobufWriter().Message(1, tensor));
    }
}
