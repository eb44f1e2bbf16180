using System.Diagnostics;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>One backend in one precision with its copy of the layer, and the times of its forwards at one token count.</summary>
internal sealed class BenchSubject : IDisposable
{
    private const int ProfiledCalls = 3;

    private readonly FfnEngine _engine;
    private readonly FfnLayer _layer;
    private readonly List<double> _milliseconds = [];
    private float[] _input = [];
    private float[] _output = [];
    private int _tokens;

    private BenchSubject(FfnEngine engine, FfnLayer layer)
    {
        _engine = engine;
        _layer = layer;
    }

    /// <summary>The backend and the precision, for the eye.</summary>
    public string Name => $"{_engine.Backend.Name} {Names<FfnPrecision>.Of(_engine.Precision)}";

    /// <summary>Opens the backend that the options name and gives it the layer.</summary>
    public static BenchSubject Open(FfnSpec spec, IFfnWeightSource weights, FfnEngineOptions options)
    {
        FfnEngine engine = FfnEngine.Create(options);
        try
        {
            return new BenchSubject(engine, engine.CreateLayer(spec, weights));
        }
        catch
        {
            engine.Dispose();
            throw;
        }
    }

    /// <summary>Forgets the times and takes other rows.</summary>
    /// <param name="input">x, row-major.</param>
    /// <param name="tokens">Rows.</param>
    public void Start(float[] input, int tokens)
    {
        _milliseconds.Clear();
        _input = input;
        _output = new float[tokens * _layer.Spec.OutputWidth];
        _tokens = tokens;
    }

    /// <summary>Runs one forward and keeps its time.</summary>
    /// <returns>The time.</returns>
    public TimeSpan Run()
    {
        long start = Stopwatch.GetTimestamp();
        Forward();
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        _milliseconds.Add(elapsed.TotalMilliseconds);
        return elapsed;
    }

    /// <summary>Runs forwards without keeping their times, until scratch memory has grown and code is compiled.</summary>
    public void WarmUp(int runs)
    {
        for (int i = 0; i < runs; i++)
        {
            Forward();
        }
    }

    /// <summary>What was measured since the start.</summary>
    public BenchRow Finish()
    {
        FfnSpec spec = _layer.Spec;
        _milliseconds.Sort();
        double median = Median(_milliseconds);
        double bytes = MeasureWeightBytes() + (sizeof(float) * ((double)_input.Length + _output.Length));
        return new BenchRow(
            _engine.Backend.Name,
            Names<FfnPrecision>.Of(_engine.Precision),
            spec.Kind.Name,
            spec.DModel,
            spec.DFf,
            spec.Mixture?.Experts ?? 0,
            spec.Mixture?.TopK ?? 0,
            _tokens,
            median,
            _milliseconds[0],
            PerSecond((double)spec.FlopsPerToken * _tokens, median),
            PerSecond(bytes, median),
            AllocationMeter.BytesPerCall(Forward),
            MeasureGemmShare(),
            _engine.Backend.Threads,
            _milliseconds.Count,
            _layer.WeightBytes,
            _layer.QuantizationError);
    }

    public void Dispose()
    {
        _layer.Dispose();
        _engine.Dispose();
    }

    private static double Median(List<double> sorted) => (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;

    // In units of 10⁹.
    private static double PerSecond(double amount, double milliseconds) => amount / (milliseconds * 1e6);

    private void Forward() => _layer.ForwardResidual(_input, _input, _output);

    // A mixture reads the experts that its rows are sent to, whose part of the memory is as large as their part of the weights.
    private double MeasureWeightBytes()
    {
        FfnSpec spec = _layer.Spec;
        if (spec.Mixture is not { } mixture)
        {
            return _layer.WeightBytes;
        }

        var trace = new FfnTrace(spec, _tokens);
        _layer.Inspect(FfnMode.Residual, _input, _output, trace);
        long idle = mixture.Experts - trace.Routing!.Experts.Distinct().LongCount();
        return _layer.WeightBytes * (1 - ((double)(idle * spec.ExpertSpec(0)!.ParameterCount) / spec.ParameterCount));
    }

    private double MeasureGemmShare()
    {
        var profile = new FfnProfile();
        for (int i = 0; i < ProfiledCalls; i++)
        {
            _layer.Inspect(FfnMode.Residual, _input, _output, profile: profile);
        }

        return profile.ShareOf(FfnStep.Gemm);
    }
}
