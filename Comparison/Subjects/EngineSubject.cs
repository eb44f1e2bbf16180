namespace NativeFfn.Comparison.Subjects;

/// <summary>NativeFfn through its public interface.</summary>
internal sealed class EngineSubject : ISubject
{
    private readonly FfnEngine _engine;
    private readonly FfnLayer _layer;
    private AlignedFloats? _input;
    private AlignedFloats? _output;
    private int _elements;

    /// <summary>Opens an engine and gives it the layer.</summary>
    /// <param name="name">The subject's name.</param>
    /// <param name="precision">The precision that the options ask for.</param>
    /// <param name="weights">The layer.</param>
    /// <param name="options">Backend, threads and whatever else sets this subject apart.</param>
    public EngineSubject(string name, Precision precision, LayerWeights weights, FfnEngineOptions options)
    {
        _engine = FfnEngine.Create(options);
        try
        {
            _layer = _engine.CreateLayer(weights.Spec, weights.Source);
        }
        catch
        {
            _engine.Dispose();
            throw;
        }

        string version = $"NativeFfn on {_engine.Backend.Name}: {_engine.Backend.Version}";
        Description = new SubjectDescription(name, IsOurs: true, precision, _layer.WeightBytes, version);
    }

    public SubjectDescription Description { get; }

    public ReadOnlySpan<float> Output => _output!.Span;

    public void Start(AlignedFloats input, int tokens)
    {
        _output?.Dispose();
        _elements = tokens * _layer.Spec.OutputWidth;
        _output = new AlignedFloats(_elements);
        _input = input;
    }

    public void Forward()
    {
        ReadOnlySpan<float> input = _input!.Span[.._elements];
        _layer.ForwardResidual(input, input, _output!.Span);
    }

    public void Dispose()
    {
        _layer.Dispose();
        _engine.Dispose();
        _output?.Dispose();
    }
}
