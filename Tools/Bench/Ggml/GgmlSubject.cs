using System.Runtime.InteropServices;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Ggml;

/// <summary>ggml's CPU backend on the graph that llama.cpp builds for a SwiGLU layer, with weights in the layout it would choose.</summary>
/// <remarks>All graphs lie in one memory and take one input; each has weights of its own. Threads are those of OpenMP.</remarks>
internal sealed unsafe class GgmlSubject : ISubject
{
    // Tensors of a graph: the input, three products, the activation and the sum, with room for views.
    private const int MostTensors = 16;

    private readonly List<GgmlMatrices> _copies = [];
    private readonly List<nint> _contexts = [];
    private readonly List<(nint Graph, nint Output)> _graphs = [];
    private readonly FfnSpec _spec;
    private readonly nint _backend;
    private nint _allocator;
    private nint _inputContext;
    private nint _inputBuffer;
    private int _tokens;
    private int _turn;

    /// <summary>Encodes the weights and copies them as often as the cache asks for.</summary>
    /// <param name="name">The subject's name.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="type">The weights' type.</param>
    /// <param name="precision">What of ours it is comparable with.</param>
    /// <param name="activationError">What it loses of the rows.</param>
    /// <exception cref="DllNotFoundException">There is no ggml for this machine.</exception>
    /// <exception cref="NotSupportedException">The type does not suit the layer's widths.</exception>
    public GgmlSubject(string name, SubjectLayer layer, GgmlType type, FfnPrecision precision, double activationError)
    {
        layer.Weights.RequireDense(name);
        string version = GgmlLibrary.Open();
        _spec = layer.Weights.Spec;
        using var encoded = new GgmlEncodedLayer(layer.Weights, type);
        nint bufferType = GgmlMatrices.ChooseBufferType(encoded);
        WeightRotation rotation = layer.Limits.Of(encoded.ByteCount, encoded.ByteCount);
        while (_copies.Count < rotation.Copies)
        {
            _copies.Add(GgmlMatrices.Create(encoded, bufferType));
        }

        _backend = GgmlLibrary.CpuInit();
        GgmlLibrary.CpuSetThreads(_backend, layer.Threads);
        string layout = Marshal.PtrToStringUTF8((nint)GgmlLibrary.BufferTypeName(bufferType))!;
        Description = new SubjectDescription(
            name,
            Backend: null,
            precision,
            encoded.ByteCount,
            encoded.Error.Relative,
            rotation,
            $"{version}, {type} in {layout}",
            activationError);
    }

    public SubjectDescription Description { get; }

    public long BytesRead => Description.WeightBytes;

    public ReadOnlySpan<float> Output => new(GgmlLibrary.GetData(_graphs[_turn].Output), _tokens * _spec.DModel);

    public void Start(AlignedFloats input, int tokens)
    {
        Free();
        (_tokens, _turn) = (tokens, 0);
        nint memory = GgmlLibrary.CpuBufferType();
        _inputContext = GgmlLibrary.Init(new GgmlInit(GgmlLibrary.TensorOverhead(), 0, NoData: 1));
        nint x = GgmlLibrary.NewTensor2d(_inputContext, GgmlType.F32, _spec.DModel, tokens);
        _inputBuffer = RequireMemory(GgmlLibrary.AllocContextTensors(_inputContext, memory));
        GgmlLibrary.TensorSet(x, input.Pointer, 0, (nuint)tokens * (nuint)_spec.DModel * sizeof(float));
        _allocator = GgmlLibrary.AllocatorNew(memory);
        _copies.ForEach(copy => Build(copy, x));
    }

    public void Forward()
    {
        _turn = (_turn + 1) % _graphs.Count;
        if (GgmlLibrary.GraphCompute(_backend, _graphs[_turn].Graph) is not 0 and var status)
        {
            throw new IncompleteException($"ggml_backend_graph_compute failed with status {status}.");
        }
    }

    public void Dispose()
    {
        Free();
        GgmlLibrary.BackendFree(_backend);
        _copies.ForEach(static copy => copy.Dispose());
    }

    private void Build(GgmlMatrices weights, nint x)
    {
        nint context = GgmlLibrary.Init(
            new GgmlInit((MostTensors * GgmlLibrary.TensorOverhead()) + GgmlLibrary.GraphOverhead(), 0, NoData: 1));
        _contexts.Add(context);
        nint gate = GgmlLibrary.MulMat(context, weights.Gate, x);
        nint up = GgmlLibrary.MulMat(context, weights.Up, x);
        nint hidden = GgmlLibrary.SwigluSplit(context, gate, up);
        nint output = GgmlLibrary.Add(context, GgmlLibrary.MulMat(context, weights.Down, hidden), x);
        GgmlLibrary.SetOutput(output);
        nint graph = GgmlLibrary.NewGraph(context);
        GgmlLibrary.BuildForwardExpand(graph, output);
        _ = RequireMemory(GgmlLibrary.AllocGraph(_allocator, graph));
        _graphs.Add((graph, output));
    }

    private nint RequireMemory(nint allocated) => allocated != 0
        ? allocated
        : throw new InsufficientMemoryException($"ggml has no memory for {_tokens} tokens; take fewer --tokens.");

    private void Free()
    {
        _graphs.Clear();
        _contexts.ForEach(GgmlLibrary.Free);
        _contexts.Clear();
        if (_inputContext != 0)
        {
            GgmlLibrary.AllocatorFree(_allocator);
            GgmlLibrary.BufferFree(_inputBuffer);
            GgmlLibrary.Free(_inputContext);
            _inputContext = 0;
        }
    }
}
