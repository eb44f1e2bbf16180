using System.Numerics.Tensors;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Subjects;

/// <summary>
/// The layer as a user of a BLAS writes it: one <c>cblas_sgemm</c> for each matrix on the weights as stored, and a vectorised loop for the
/// activation. The down-projection adds to the residual.
/// </summary>
internal sealed unsafe class SgemmSubject : ISubject
{
    // Longer than any slice outlasts another; a library with threads of its own needs the processors instead.
    private static readonly TimeSpan TeamPatience = TimeSpan.FromMilliseconds(2);

    private readonly WeightCopies _copies;
    private readonly FfnSpec _spec;
    private readonly PlainSgemm _library;
    private readonly PlainTeam _team;
    private readonly Action<int> _project;
    private readonly Action<int> _activate;
    private readonly Action<int> _projectDown;
    private readonly int _threads;
    private readonly int _slices;
    private LayerWeights _weights;
    private AlignedFloats? _input;
    private AlignedFloats? _gate;
    private AlignedFloats? _up;
    private AlignedFloats? _output;
    private int _tokens;

    /// <summary>Takes a library into use.</summary>
    /// <param name="name">The subject's name.</param>
    /// <param name="layer">The layer, whose weights are used in place.</param>
    /// <param name="library">The BLAS; disposed with the subject.</param>
    /// <param name="slices">
    /// Calls that a product is cut into along the rows of its weights: as many as threads where the library has none of its own, else 1.
    /// </param>
    public SgemmSubject(string name, SubjectLayer layer, PlainSgemm library, int slices)
    {
        (_weights, _copies, _spec, _library, _threads, _slices) = (layer.Weights, layer.Copies, layer.Weights.Spec, library, layer.Threads, slices);
        _team = new PlainTeam(_threads, slices > 1 ? TeamPatience : TimeSpan.Zero);
        _project = Project;
        _activate = Activate;
        _projectDown = ProjectDown;
        Description = new SubjectDescription(
            name, Backend: null, FfnPrecision.Float32, _weights.ByteCount, QuantizationError: 0, _copies.Rotation, library.Version);
    }

    public SubjectDescription Description { get; }

    public long BytesRead => Description.WeightBytes;

    public ReadOnlySpan<float> Output => _output!.Span;

    private int DModel => _spec.DModel;

    private int DFf => _spec.DFf;

    public void Start(AlignedFloats input, int tokens)
    {
        Free();
        (_input, _tokens) = (input, tokens);
        _gate = new AlignedFloats(tokens * DFf);
        _up = new AlignedFloats(tokens * DFf);
        _output = new AlignedFloats(tokens * DModel);
    }

    public void Forward()
    {
        _weights = _copies.Next();
        Multiply(_project);
        _team.Run(_activate);
        _input!.Span[.._output!.Length].CopyTo(_output.Span);
        Multiply(_projectDown);
    }

    public void Dispose()
    {
        Free();
        _team.Dispose();
        _library.Dispose();
    }

    private void Multiply(Action<int> project)
    {
        if (_slices == 1)
        {
            project(0);
        }
        else
        {
            _team.Run(project);
        }
    }

    private void Project(int slice)
    {
        (int first, int end) = Part(DFf, _slices, slice);
        Multiply(_input!, DModel, _weights.Gate, _gate!, DFf, first, end, accumulate: false);
        Multiply(_input!, DModel, _weights.Up, _up!, DFf, first, end, accumulate: false);
    }

    private void ProjectDown(int slice)
    {
        (int first, int end) = Part(DModel, _slices, slice);
        Multiply(_gate!, DFf, _weights.Down, _output!, DModel, first, end, accumulate: true);
    }

    private void Multiply(AlignedFloats input, int depth, AlignedFloats weights, AlignedFloats output, int width, int first, int end, bool accumulate) =>
        _library.MultiplyTransposed(
            _tokens, end - first, depth, input.Pointer, depth, weights.Pointer + ((long)first * depth), depth, output.Pointer + first, width, accumulate);

    // silu(g) · u = g · σ(g) · u, in pieces that stay in the first cache.
    private void Activate(int part)
    {
        const int Piece = 2048;
        (int first, int end) = Part(_gate!.Length, _threads, part);
        Span<float> sigmoid = stackalloc float[Piece];
        for (int start = first; start < end; start += Piece)
        {
            int count = Math.Min(Piece, end - start);
            Span<float> gate = _gate.Span.Slice(start, count);
            Span<float> up = _up!.Span.Slice(start, count);
            TensorPrimitives.Sigmoid(gate, sigmoid[..count]);
            TensorPrimitives.Multiply(gate, up, gate);
            TensorPrimitives.Multiply(gate, sigmoid[..count], gate);
        }
    }

    private static (int First, int End) Part(int count, int parts, int part) =>
        ((int)((long)count * part / parts), (int)((long)count * (part + 1) / parts));

    private void Free()
    {
        _gate?.Dispose();
        _up?.Dispose();
        _output?.Dispose();
    }
}
