using System.Numerics.Tensors;
using NativeFfn.Backends.Encodings;
using NativeFfn.Bench.Subjects;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.OneDnn;

/// <summary>
/// The layer as a user of oneDNN writes it: three products in bf16 or in 8-bit integers on weights in its own layout, and between them
/// vectorised loops on the same threads that round rows, activate, scale and add the residual.
/// </summary>
/// <remarks>
/// In 8-bit integers each row of weights and each token has a scale, and what is between the products is rounded by tokens too.
/// </remarks>
internal sealed unsafe class OneDnnSubject : ISubject
{
    // dnnl_cpu, and dnnl_stream_default_flags: in order.
    private const int Cpu = 1;
    private const uint InOrder = 1;

    private readonly RowRounding _rounding;
    private readonly OpenMpTeam _team;
    private readonly FfnSpec _spec;
    private readonly int _threads;
    private readonly nint _engine;
    private readonly nint _stream;
    private readonly OneDnnMatrix[] _matrices;
    private readonly Action<int> _roundInput;
    private readonly Action<int> _activate;
    private readonly Action<int> _finish;
    private AlignedFloats? _input;
    private AlignedFloats? _gate;
    private AlignedFloats? _up;
    private AlignedFloats? _output;
    private NativeBytes? _rows;
    private NativeBytes? _hidden;
    private float[] _rowScales = [];
    private float[] _hiddenScales = [];
    private int _tokens;
    private int _turn;

    /// <summary>Rounds the weights and sees whether oneDNN can multiply by them.</summary>
    /// <param name="name">The subject's name.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="rounding">What weights and rows are rounded to.</param>
    /// <param name="precision">What of ours it is comparable with.</param>
    /// <param name="activationError">What it loses of the rows.</param>
    /// <param name="onlyBeside">The one precision of ours that it is compared with; null for all of its width.</param>
    /// <exception cref="DllNotFoundException">There is no oneDNN.</exception>
    /// <exception cref="NotSupportedException">It has no code for this processor.</exception>
    public OneDnnSubject(
        string name, SubjectLayer layer, RowRounding rounding, FfnPrecision precision, double activationError, string? onlyBeside)
    {
        layer.Weights.RequireDense(name);
        (_spec, _threads, _rounding) = (layer.Weights.Spec, layer.Threads, rounding);
        string version = OneDnnLibrary.Open();
        RowRounding weights = rounding == RowRounding.Int8 && !OneDnnLibrary.HasVnni() ? RowRounding.Int7 : rounding;
        _team = new OpenMpTeam(_threads);
        OneDnnLibrary.Require(OneDnnLibrary.EngineCreate(out _engine, Cpu, 0), "dnnl_engine_create");
        OneDnnLibrary.Require(OneDnnLibrary.StreamCreate(out _stream, _engine, InOrder), "dnnl_stream_create");
        (_roundInput, _activate, _finish) = (RoundInput, Activate, Finish);
        _matrices =
        [
            new OneDnnMatrix(_engine, _stream, layer.Weights.Gate, _spec.DFf, _spec.DModel, weights),
            new OneDnnMatrix(_engine, _stream, layer.Weights.Up, _spec.DFf, _spec.DModel, weights),
            new OneDnnMatrix(_engine, _stream, layer.Weights.Down, _spec.DModel, _spec.DFf, weights),
        ];
        long bytes = _matrices.Sum(static matrix => matrix.ByteCount);
        Description = new SubjectDescription(
            name,
            Backend: null,
            precision,
            bytes,
            _matrices.Select(static matrix => matrix.Error).Aggregate(QuantizationError.Worst).Relative,
            layer.Limits.Of(bytes, bytes),
            $"{version}, matmul of {rounding.Type}{(weights == rounding ? string.Empty : ", 7-bit weights for want of VNNI")}",
            activationError,
            onlyBeside);
        try
        {
            using var nothing = new AlignedFloats(_spec.DModel);
            Start(nothing, 1);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public SubjectDescription Description { get; }

    public long BytesRead => Description.WeightBytes;

    public ReadOnlySpan<float> Output => _output!.Span;

    public void Start(AlignedFloats input, int tokens)
    {
        Free();
        (_input, _tokens) = (input, tokens);
        _gate = new AlignedFloats(tokens * _spec.DFf);
        _up = new AlignedFloats(tokens * _spec.DFf);
        _output = new AlignedFloats(tokens * _spec.DModel);
        _rows = new NativeBytes((long)tokens * _spec.DModel * _rounding.Bytes);
        _hidden = new NativeBytes((long)tokens * _spec.DFf * _rounding.Bytes);
        (_rowScales, _hiddenScales) = (new float[tokens], new float[tokens]);
        int copies = Description.Rotation.Copies;
        _matrices[0].Start(_rows, _gate, tokens, copies);
        _matrices[1].Start(_rows, _up, tokens, copies);
        _matrices[2].Start(_hidden, _output, tokens, copies);
    }

    public void Forward()
    {
        _turn = (_turn + 1) % Description.Rotation.Copies;
        _team.Run(_roundInput);
        _matrices[0].Multiply(_turn);
        _matrices[1].Multiply(_turn);
        _team.Run(_activate);
        _matrices[2].Multiply(_turn);
        _team.Run(_finish);
    }

    public void Dispose()
    {
        Free();
        Array.ForEach(_matrices, static matrix => matrix.Dispose());
        _ = OneDnnLibrary.StreamDestroy(_stream);
        _ = OneDnnLibrary.EngineDestroy(_engine);
        _team.Dispose();
    }

    private void RoundInput(int thread)
    {
        for (int token = First(thread); token < First(thread + 1); token++)
        {
            _rowScales[token] = _rounding.Round(Row(_input!, token, _spec.DModel), Bytes(_rows!, token, _spec.DModel));
        }
    }

    // silu(g) · u = g · σ(g) · u. A token's scale is 1 in bf16.
    private void Activate(int thread)
    {
        const int Piece = 2048;
        Span<float> sigmoid = stackalloc float[Piece];
        for (int token = First(thread); token < First(thread + 1); token++)
        {
            float scale = _rowScales[token];
            Span<float> row = Row(_gate!, token, _spec.DFf);
            for (int start = 0; start < _spec.DFf; start += Piece)
            {
                int count = Math.Min(Piece, _spec.DFf - start);
                Span<float> gate = row.Slice(start, count);
                Span<float> up = Row(_up!, token, _spec.DFf).Slice(start, count);
                TensorPrimitives.Multiply(gate, scale, gate);
                TensorPrimitives.Sigmoid(gate, sigmoid[..count]);
                TensorPrimitives.Multiply(gate, up, gate);
                TensorPrimitives.Multiply(gate, sigmoid[..count], gate);
            }

            _hiddenScales[token] = scale * _rounding.Round(row, Bytes(_hidden!, token, _spec.DFf));
        }
    }

    private void Finish(int thread)
    {
        for (int token = First(thread); token < First(thread + 1); token++)
        {
            Span<float> row = Row(_output!, token, _spec.DModel);
            TensorPrimitives.MultiplyAdd(row, _hiddenScales[token], Row(_input!, token, _spec.DModel), row);
        }
    }

    private int First(int thread) => (int)((long)_tokens * thread / _threads);

    private static Span<float> Row(AlignedFloats rows, int row, int width) => rows.Span.Slice(row * width, width);

    private Span<byte> Bytes(NativeBytes rows, int row, int width) =>
        new(rows.Pointer + ((long)row * width * _rounding.Bytes), width * _rounding.Bytes);

    private void Free()
    {
        _gate?.Dispose();
        _up?.Dispose();
        _output?.Dispose();
        _rows?.Dispose();
        _hidden?.Dispose();
    }
}
