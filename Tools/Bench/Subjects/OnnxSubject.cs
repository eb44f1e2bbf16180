using Microsoft.ML.OnnxRuntime;
using NativeFfn.Bench.Onnx;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Subjects;

/// <summary>
/// ONNX Runtime on its CPU provider at its best: weights packed when a session opens, every graph optimisation, input and output bound
/// beforehand. Each copy of the weights has a session; all share one pool of threads.
/// </summary>
internal sealed class OnnxSubject : ISubject
{
    /// <summary>The name of the one in float32 in <c>--subjects</c>.</summary>
    public const string Name = "onnx";

    private readonly List<InferenceSession> _sessions = [];
    private readonly List<OrtIoBinding> _bindings = [];
    private readonly RunOptions _runOptions = new();
    private readonly int _dModel;
    private OrtValue? _boundInput;
    private OrtValue? _boundOutput;
    private AlignedFloats? _output;
    private int _turn;

    /// <summary>Writes the layer as a graph and opens sessions on it.</summary>
    /// <param name="name">Its name in <c>--subjects</c>.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="precision">How the weights lie in memory.</param>
    /// <param name="matrices">How the matrices are written and multiplied.</param>
    /// <param name="operation">What multiplies them, for the table.</param>
    /// <param name="activationError">What it loses of the rows.</param>
    /// <exception cref="NotSupportedException">The layer does not fit into one ONNX file.</exception>
    public OnnxSubject(
        string name, SubjectLayer layer, FfnPrecision precision, GraphMatrices matrices, string operation, double activationError)
    {
        layer.Weights.RequireDense(name);
        _dModel = layer.Weights.Spec.DModel;
        OpenEnvironment(layer.Threads);
        using var options = new SessionOptions
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        options.DisablePerSessionThreads();
        byte[] graph = FfnGraph.Write(layer.Weights, matrices, addsInput: true);
        long bytes = FfnGraph.BytesOf(layer.Weights.Spec, matrices);
        WeightRotation rotation = layer.Limits.Of(bytes, bytes);
        while (_sessions.Count < rotation.Copies)
        {
            _sessions.Add(new InferenceSession(graph, options));
        }

        string version = $"ONNX Runtime {OrtEnv.Instance().GetVersionString()}, CPU provider, {operation}";
        Description = new SubjectDescription(
            name, Backend: null, precision, bytes, matrices.Error.Relative, rotation, version, activationError);
    }

    public SubjectDescription Description { get; }

    public long BytesRead => Description.WeightBytes;

    public ReadOnlySpan<float> Output => _output!.Span;

    public void Start(AlignedFloats input, int tokens)
    {
        Unbind();
        _output = new AlignedFloats(tokens * _dModel);
        _boundInput = Tensor(input, tokens);
        _boundOutput = Tensor(_output, tokens);
        foreach (InferenceSession session in _sessions)
        {
            OrtIoBinding binding = session.CreateIoBinding();
            binding.BindInput(FfnGraph.Input, _boundInput);
            binding.BindOutput(FfnGraph.Output, _boundOutput);
            _bindings.Add(binding);
        }
    }

    public void Forward()
    {
        _turn = (_turn + 1) % _sessions.Count;
        _sessions[_turn].RunWithBinding(_runOptions, _bindings[_turn]);
    }

    public void Dispose()
    {
        Unbind();
        _runOptions.Dispose();
        _sessions.ForEach(static session => session.Dispose());
    }

    // Of the whole process: sessions with threads of their own would leave theirs spinning while the next copy runs.
    private static void OpenEnvironment(int threads)
    {
        if (OrtEnv.IsCreated)
        {
            return;
        }

        using var threading = new OrtThreadingOptions { GlobalIntraOpNumThreads = threads, GlobalInterOpNumThreads = 1 };
        var environment = new EnvironmentCreationOptions { logId = "bench", threadOptions = threading };
        OrtEnv.CreateInstanceWithOptions(ref environment);
    }

    private unsafe OrtValue Tensor(AlignedFloats values, int tokens) => OrtValue.CreateTensorValueWithData(
        OrtMemoryInfo.DefaultInstance,
        Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.Float,
        [tokens, _dModel],
        (nint)values.Pointer,
        (long)tokens * _dModel * sizeof(float));

    private void Unbind()
    {
        _bindings.ForEach(static binding => binding.Dispose());
        _bindings.Clear();
        _boundInput?.Dispose();
        _boundOutput?.Dispose();
        _output?.Dispose();
    }
}
