namespace NativeFfn.Comparison.Subjects;

/// <summary>NativeFfn through its public interface.</summary>
internal sealed class EngineSubject : ISubject
{
    private readonly LayerWeights _weights;
    private readonly FfnEngineOptions _options;
    private readonly FfnEngine _engine;
    private AlignedFloats? _input;
    private AlignedFloats? _output;
    private int _elements;

    /// <summary>Opens an engine and gives it the layer.</summary>
    /// <param name="name">The subject's name.</param>
    /// <param name="precision">How its weights are kept.</param>
    /// <param name="weights">The layer.</param>
    /// <param name="options">Backend, threads and whatever else sets this subject apart.</param>
    public EngineSubject(string name, Precision precision, LayerWeights weights, FfnEngineOptions options)
    {
        (_weights, _options) = (weights, options with { Precision = precision.Kind });
        _engine = FfnEngine.Create(_options);
        try
        {
            Layer = _engine.CreateLayer(weights.Spec, weights);
        }
        catch
        {
            _engine.Dispose();
            throw;
        }

        string version = $"NativeFfn on {_engine.Backend.Name}: {_engine.Backend.Version}";
        Description = new SubjectDescription(name, _engine.Backend.Kind, precision, Layer.WeightBytes, Layer.QuantizationError, version);
    }

    public SubjectDescription Description { get; }

    /// <summary>The layer.</summary>
    public FfnLayer Layer { get; }

    public ReadOnlySpan<float> Output => _output!.Span;

    /// <summary>The same in an engine of its own with other threads.</summary>
    /// <param name="threads">Threads of one forward.</param>
    public EngineSubject WithThreads(int threads) =>
        new(Description.Name, Description.Precision, _weights, _options with { Threads = threads });

    public void Start(AlignedFloats input, int tokens)
    {
        _output?.Dispose();
        _elements = tokens * Layer.Spec.OutputWidth;
        _output = new AlignedFloats(_elements);
        _input = input;
    }

    public void Forward()
    {
        ReadOnlySpan<float> input = _input!.Span[.._elements];
        Layer.ForwardResidual(input, input, _output!.Span);
    }

    public void Dispose()
    {
        Layer.Dispose();
        _engine.Dispose();
        _output?.Dispose();
    }
}
