using Microsoft.ML.OnnxRuntime;
using NativeFfn.Comparison.Onnx;

namespace NativeFfn.Comparison.Subjects;

/// <summary>
/// ONNX Runtime on its CPU provider at its best: weights packed when the session opens, every graph optimisation, input and output bound
/// beforehand.
/// </summary>
internal sealed class OnnxSubject : ISubject
{
    /// <summary>Its name in <c>--subjects</c>.</summary>
    public const string Name = "onnx";

    private readonly InferenceSession _session;
    private readonly RunOptions _runOptions = new();
    private readonly int _dModel;
    private OrtIoBinding? _binding;
    private OrtValue? _boundInput;
    private OrtValue? _boundOutput;
    private AlignedFloats? _output;

    /// <summary>Writes the layer as a graph and opens a session on it.</summary>
    /// <param name="weights">The layer.</param>
    /// <param name="threads">Threads of one run.</param>
    /// <exception cref="NotSupportedException">The layer does not fit into one ONNX file.</exception>
    public OnnxSubject(LayerWeights weights, int threads)
    {
        _dModel = weights.Spec.DModel;
        using var options = new SessionOptions
        {
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        _session = new InferenceSession(SwiGluGraph.Write(weights), options);
        string version = $"ONNX Runtime {OrtEnv.Instance().GetVersionString()}, CPU provider";
        Description = new SubjectDescription(Name, Backend: null, Precision.F32, weights.ByteCount, QuantizationError: 0, version);
    }

    public SubjectDescription Description { get; }

    public ReadOnlySpan<float> Output => _output!.Span;

    public void Start(AlignedFloats input, int tokens)
    {
        Unbind();
        _output = new AlignedFloats(tokens * _dModel);
        _boundInput = Tensor(input, tokens);
        _boundOutput = Tensor(_output, tokens);
        _binding = _session.CreateIoBinding();
        _binding.BindInput(SwiGluGraph.Input, _boundInput);
        _binding.BindOutput(SwiGluGraph.Output, _boundOutput);
    }

    public void Forward() => _session.RunWithBinding(_runOptions, _binding!);

    public void Dispose()
    {
        Unbind();
        _runOptions.Dispose();
        _session.Dispose();
    }

    private unsafe OrtValue Tensor(AlignedFloats values, int tokens) => OrtValue.CreateTensorValueWithData(
        OrtMemoryInfo.DefaultInstance,
        Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.Float,
        [tokens, _dModel],
        (nint)values.Pointer,
        (long)tokens * _dModel * sizeof(float));

    private void Unbind()
    {
        _binding?.Dispose();
        _boundInput?.Dispose();
        _boundOutput?.Dispose();
        _output?.Dispose();
    }
}
