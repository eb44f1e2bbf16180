using NativeFfn.Bench.Subjects;

namespace NativeFfn.Bench.Onnx;

/// <summary>A SwiGLU or plain ReLU layer as an ONNX model, as an exporter would write it.</summary>
/// <remarks>Field numbers are those of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto</remarks>
internal static class FfnGraph
{
    /// <summary>The graph's input, float32 <c>[tokens, d_model]</c> with any number of tokens.</summary>
    public const string Input = "x";

    /// <summary>The graph's output, float32 <c>[tokens, d_model]</c>.</summary>
    public const string Output = "y";

    /// <summary>TensorProto.DataType.FLOAT.</summary>
    public const int Float = 1;

    /// <summary>The operators that ONNX Runtime adds to the standard's.</summary>
    public const string ContribDomain = "com.microsoft";

    // Opset 17 came with file format 8.
    private const int FormatVersion = 8;
    private const int OpsetVersion = 17;
    private const int ContribVersion = 1;

    // A protobuf message ends at 2 GiB, and names and structure need a little.
    private const long MaxWeightBytes = int.MaxValue - (1 << 20);

    private const int Overhead = 1 << 16;

    /// <summary>Writes the model.</summary>
    /// <param name="weights">The layer.</param>
    /// <param name="matrices">How its matrices are written and multiplied.</param>
    /// <param name="addsInput">Whether the graph's output is x + FFN(x), and not FFN(x) alone.</param>
    /// <exception cref="NotSupportedException">The weights do not fit into one file, or the layer is neither SwiGLU nor plain ReLU.</exception>
    public static byte[] Write(LayerWeights weights, GraphMatrices matrices, bool addsInput)
    {
        long bytes = BytesOf(weights.Spec, matrices);
        if (bytes > MaxWeightBytes)
        {
            throw new NotSupportedException(
                $"the weights have {bytes} bytes, and one ONNX file holds at most {MaxWeightBytes}; take a smaller --shape.");
        }

        (int dModel, int dFf) = (weights.Spec.DModel, weights.Spec.DFf);
        bool isGated = weights.Spec.Stages[0].Kind == FfnKind.SwiGlu;
        if (!isGated && weights.Spec.Stages[0].Kind != FfnKind.Relu)
        {
            throw new NotSupportedException($"{weights.Spec} is neither a SwiGLU nor a plain ReLU layer, the two that are written as graphs.");
        }

        var graph = new ProtobufWriter((int)bytes + Overhead);
        matrices.AddProduct(graph, "gate", Input, rows: dFf, columns: dModel);
        if (isGated)
        {
            matrices.AddProduct(graph, "up", Input, rows: dFf, columns: dModel);
            graph.Message(1, Node("Sigmoid", "sigmoid", "gate"))
                .Message(1, Node("Mul", "silu", "gate", "sigmoid"))
                .Message(1, Node("Mul", "hidden", "silu", "up"));
            matrices.AddMatrix(graph, "up", weights.Up, rows: dFf, columns: dModel);
        }
        else
        {
            graph.Message(1, Node("Relu", "hidden", "gate"));
        }

        string down = addsInput ? "down" : Output;
        matrices.AddProduct(graph, down, "hidden", rows: dModel, columns: dFf);
        if (addsInput)
        {
            graph.Message(1, Node("Add", Output, Input, down));
        }

        matrices.AddMatrix(graph, "gate", weights.Gate, rows: dFf, columns: dModel);
        matrices.AddMatrix(graph, down, weights.Down, rows: dModel, columns: dFf);
        graph.Text(2, "ffn").Message(11, Rows(Input, dModel)).Message(12, Rows(Output, dModel));
        return new ProtobufWriter(graph.Written.Length + Overhead)
            .Number(1, FormatVersion)
            .Text(2, "NativeFfn.Bench")
            .Message(7, graph)
            .Message(8, Operators(string.Empty, OpsetVersion))
            .Message(8, Operators(ContribDomain, ContribVersion))
            .Written.ToArray();
    }

    /// <summary>Bytes of a layer's three matrices in the model.</summary>
    public static long BytesOf(FfnSpec spec, GraphMatrices matrices) =>
        (spec.Stages[0].ProjectionCount * matrices.BytesOf(spec.DFf, spec.DModel)) + matrices.BytesOf(spec.DModel, spec.DFf);

    /// <summary>A NodeProto; it is named after its one output.</summary>
    public static ProtobufWriter Node(string operation, string output, params ReadOnlySpan<string> inputs)
    {
        var node = new ProtobufWriter();
        foreach (string input in inputs)
        {
            node.Text(1, input);
        }

        return node.Text(2, output).Text(3, output).Text(4, operation);
    }

    // An OperatorSetIdProto.
    private static ProtobufWriter Operators(string domain, int version) => new ProtobufWriter().Text(1, domain).Number(2, version);

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
