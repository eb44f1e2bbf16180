using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using NativeFfn.Hosting.Batching;
using NativeFfn.Hosting.Serving;

namespace NativeFfn.Hosting.Telemetry;

/// <summary>The meter <c>NativeFfn</c>: one for all engines of a server, which tell themselves apart by the tag <c>engine</c>.</summary>
/// <remarks>Allocates nothing. A listener that throws costs no request its answer: its exception ends here.</remarks>
internal sealed class FfnMetrics : IDisposable
{
    public const string MeterName = "NativeFfn";

    private const string EngineTag = "engine";
    private const string LayerTag = "layer";
    private const string ReasonTag = "reason";
    private const string ExpertTag = "expert";

    // Powers of two up to well past any batch.
    private static readonly InstrumentAdvice<int> Counts = new()
    {
        HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    };

    // From a small layer's forward to a long queue, two for each power of ten and one between.
    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    private readonly Meter? _own;
    private readonly Histogram<double> _queueTime;
    private readonly Histogram<int> _batchTokens;
    private readonly Histogram<int> _batchRequests;
    private readonly Histogram<double> _executeTime;
    private readonly Counter<long> _tokens;
    private readonly Counter<long> _rejections;
    private readonly Counter<long> _failures;
    private ImmutableList<FfnRuntime> _engines = [];

    /// <summary>Makes the instruments.</summary>
    /// <param name="factory">The server's meters; null for one of our own.</param>
    public FfnMetrics(IMeterFactory? factory)
    {
        Meter meter = factory?.Create(MeterName) ?? (_own = new Meter(MeterName));
        _queueTime = meter.CreateHistogram("nativeffn.queue.time", "s", "How long requests waited before they were run.", advice: Seconds);
        _batchTokens = meter.CreateHistogram("nativeffn.batch.tokens", "{token}", "Tokens that were run together.", advice: Counts);
        _batchRequests = meter.CreateHistogram("nativeffn.batch.requests", "{request}", "Requests that were run together.", advice: Counts);
        _executeTime = meter.CreateHistogram("nativeffn.execute.time", "s", "How long batches ran, gathering included.", advice: Seconds);
        _tokens = meter.CreateCounter<long>("nativeffn.tokens", "{token}", "Tokens that were answered.");
        _rejections = meter.CreateCounter<long>("nativeffn.rejections", "{request}", "Requests that were not run, by reason.");
        _failures = meter.CreateCounter<long>("nativeffn.failures", "{request}", "Requests that failed while they ran.");
        meter.CreateObservableUpDownCounter("nativeffn.queue.depth", ObserveQueues, "{token}", "Tokens that wait.");
        meter.CreateObservableUpDownCounter("nativeffn.weights.bytes", ObserveWeights, "By", "Bytes that a layer's weights occupy.");

        meter.CreateObservableCounter("nativeffn.expert.tokens", ObserveExperts, "{token}", "Tokens that a mixture's experts were sent.");
        meter.CreateObservableGauge(
            "nativeffn.expert.imbalance", ObserveImbalance, "1", "Tokens of a mixture's busiest expert over those of the average one.");
    }

    public void Add(FfnRuntime engine) => ImmutableInterlocked.Update(ref _engines, static (engines, added) => engines.Add(added), engine);

    public void Remove(FfnRuntime engine) =>
        ImmutableInterlocked.Update(ref _engines, static (engines, gone) => engines.Remove(gone), engine);

    /// <summary>A request was not run.</summary>
    public void Rejected(LayerQueue queue, string reason)
    {
        try
        {
            _rejections.Add(1, Engine(queue), Layer(queue), new(ReasonTag, reason));
        }
        catch (Exception)
        {
            // A listener's own.
        }
    }

    /// <summary>A batch was run.</summary>
    public void Executed(LayerQueue queue, RequestBatch batch, TimeSpan elapsed)
    {
        try
        {
            _batchTokens.Record(batch.Tokens, Engine(queue), Layer(queue));
            _batchRequests.Record(batch.Requests.Count, Engine(queue), Layer(queue));
            _executeTime.Record(elapsed.TotalSeconds, Engine(queue), Layer(queue));
        }
        catch (Exception)
        {
            // A listener's own.
        }
    }

    /// <summary>A request was run, with or without success.</summary>
    public void Finished(FfnRequest request, TimeSpan waited)
    {
        try
        {
            LayerQueue queue = request.Queue;
            _queueTime.Record(waited.TotalSeconds, Engine(queue), Layer(queue));
            if (request.Failure is null)
            {
                _tokens.Add(request.Tokens, Engine(queue), Layer(queue));
            }
            else
            {
                _failures.Add(1, Engine(queue), Layer(queue));
            }
        }
        catch (Exception)
        {
            // A listener's own.
        }
    }

    public void Dispose() => _own?.Dispose();

    private static KeyValuePair<string, object?> Engine(LayerQueue queue) => new(EngineTag, queue.Layer.Engine);

    private static KeyValuePair<string, object?> Layer(LayerQueue queue) => new(LayerTag, queue.Layer.Info.Name);

    private IEnumerable<Measurement<int>> ObserveQueues() =>
        _engines.Select(
            static engine => new Measurement<int>(engine.WaitingTokens, new KeyValuePair<string, object?>(EngineTag, engine.Name)));

    private IEnumerable<Measurement<long>> ObserveWeights() =>
        from engine in _engines
        from layer in engine.LoadedLayers
        select new Measurement<long>(
            layer.WeightBytes,
            new KeyValuePair<string, object?>(EngineTag, engine.Name),
            new KeyValuePair<string, object?>(LayerTag, layer.Name));

    private IEnumerable<Measurement<long>> ObserveExperts() =>
        from mixture in Mixtures()
        from expert in Enumerable.Range(0, mixture.Tokens.Length)
        select new Measurement<long>(
            mixture.Tokens[expert],
            new KeyValuePair<string, object?>(EngineTag, mixture.Layer.Engine),
            new KeyValuePair<string, object?>(LayerTag, mixture.Layer.Info.Name),
            new KeyValuePair<string, object?>(ExpertTag, expert));

    // Nothing can be out of balance before the first token.
    private IEnumerable<Measurement<double>> ObserveImbalance() =>
        from mixture in Mixtures()
        where mixture.Tokens.Any(static tokens => tokens > 0)
        select new Measurement<double>(
            mixture.Tokens.Max() / mixture.Tokens.Average(),
            new KeyValuePair<string, object?>(EngineTag, mixture.Layer.Engine),
            new KeyValuePair<string, object?>(LayerTag, mixture.Layer.Info.Name));

    private IEnumerable<(ServedLayer Layer, long[] Tokens)> Mixtures()
    {
        foreach (ServedLayer layer in _engines.SelectMany(static engine => engine.ServedLayers))
        {
            if (layer.Info.Spec.Mixture is not null)
            {
                yield return (layer, layer.ReadExpertTokens());
            }
        }
    }
}
