namespace NativeFfn.Cli.Benchmarking;

/// <summary>NativeFfn through its public interface: an engine with copies of one layer.</summary>
internal sealed class EngineSubject : ISubject
{
    private const int ProfiledCalls = 3;

    private readonly FfnSpec _spec;
    private readonly IFfnWeightSource _weights;
    private readonly FfnEngineOptions _options;
    private readonly RotationLimits _limits;
    private readonly FfnEngine _engine;
    private readonly List<FfnLayer> _layers = [];
    private AlignedFloats? _input;
    private AlignedFloats? _output;
    private int _tokens;
    private int _turn;

    /// <summary>Opens an engine and gives it the layer as often as the cache asks for.</summary>
    /// <param name="name">The subject's name; null for backend and precision.</param>
    /// <param name="spec">The layer.</param>
    /// <param name="weights">Its weights; every copy is made of them.</param>
    /// <param name="options">Backend, precision, threads and whatever else sets this subject apart.</param>
    /// <param name="limits">Bounds of the copies.</param>
    public EngineSubject(string? name, FfnSpec spec, IFfnWeightSource weights, FfnEngineOptions options, RotationLimits limits)
    {
        (_spec, _weights, _options, _limits) = (spec, weights, options, limits);
        _engine = FfnEngine.Create(options);
        try
        {
            FfnLayer first = AddLayer();
            WeightRotation rotation = limits.Of(BytesOf(spec.Mixture?.TopK ?? 0), first.WeightBytes);
            while (_layers.Count < rotation.Copies)
            {
                AddLayer();
            }

            BackendDescription backend = _engine.Backend;

            // These weights are numbers, which are stored as float32.
            FfnPrecision precision = options.Precision.OfNumbers();
            Description = new SubjectDescription(
                name ?? $"{backend.Name} {Names<FfnPrecision>.Of(precision)}",
                backend.Kind,
                precision,
                first.WeightBytes,
                first.QuantizationError,
                rotation,
                $"NativeFfn on {backend.Name}: {backend.Version}");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public SubjectDescription Description { get; }

    /// <summary>Which GEMM multiplies how many tokens.</summary>
    public string Gemms => _layers[0].Gemms;

    /// <summary>Name, version and threads of the backend.</summary>
    public BackendDescription Backend => _engine.Backend;

    /// <summary>The copies of the layer.</summary>
    public IReadOnlyList<FfnLayer> Layers => _layers;

    public long BytesRead { get; private set; }

    public ReadOnlySpan<float> Output => _output!.Span;

    /// <summary>Runs this rank's part of what rank 0 measures.</summary>
    public void Follow() => _engine.Follow();

    /// <summary>The subject in an engine of its own with other threads.</summary>
    /// <param name="threads">Threads of one forward.</param>
    public EngineSubject WithThreads(int threads) => new(Description.Name, _spec, _weights, _options with { Threads = threads }, _limits);

    public void Start(AlignedFloats input, int tokens)
    {
        _output?.Dispose();
        _output = new AlignedFloats(tokens * _spec.OutputWidth);
        (_input, _tokens) = (input, tokens);
        BytesRead = MeasureBytesRead();
    }

    public void Forward()
    {
        ReadOnlySpan<float> rows = Rows();
        NextLayer().ForwardResidual(rows, rows, _output!.Span);
    }

    /// <summary>The projections' part of the time of all threads, 0 to 1.</summary>
    public double MeasureGemmShare()
    {
        var profile = new FfnProfile();
        for (int i = 0; i < ProfiledCalls; i++)
        {
            NextLayer().Inspect(FfnMode.Residual, Rows(), _output!.Span, profile: profile);
        }

        return profile.ShareOf(FfnStep.Gemm);
    }

    public void Dispose()
    {
        _layers.ForEach(static layer => layer.Dispose());
        _engine.Dispose();
        _output?.Dispose();
    }

    private FfnLayer AddLayer()
    {
        FfnLayer layer = _engine.CreateLayer(_spec, _weights);
        _layers.Add(layer);
        return layer;
    }

    private FfnLayer NextLayer()
    {
        _turn = (_turn + 1) % _layers.Count;
        return _layers[_turn];
    }

    private ReadOnlySpan<float> Rows() => _input!.Span[..(_tokens * _spec.InputWidth)];

    // A mixture reads the experts that its rows are sent to.
    private long MeasureBytesRead()
    {
        if (_spec.Mixture is null)
        {
            return _layers[0].WeightBytes;
        }

        // What is cut over ranks cannot be looked into: no token is taken to share an expert.
        if (_engine.Ranks > 1)
        {
            return BytesOf((int)Math.Min(_spec.Mixture.Experts, (long)_tokens * _spec.Mixture.TopK));
        }

        var trace = new FfnTrace(_spec, _tokens);
        _layers[0].Inspect(FfnMode.Residual, Rows(), _output!.Span, trace);
        return BytesOf(trace.Routing!.Experts.Distinct().Count());
    }

    // An expert's part of the memory is as large as its part of the weights.
    private long BytesOf(int activeExperts)
    {
        long idle = _spec.Mixture is { } mixture ? (mixture.Experts - activeExperts) * _spec.ExpertSpec(0)!.ParameterCount : 0;
        return (long)(_layers[0].WeightBytes * (1 - ((double)idle / _spec.ParameterCount)));
    }
}
