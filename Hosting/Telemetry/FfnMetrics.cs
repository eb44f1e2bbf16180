using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using NativeFfn.Hosting.Batching;
using NativeFfn.Hosting.Serving;

namespace NativeFfn.Hosting.Telemetry;

/// <summary>The meter <c>NativeFfn</c>: one for all engines of a server, which tell themselves apart by a tag.</summary>
/// <remarks>
/// Names and tags follow OpenTelemetry's habits: units are no part of a name, tags are below <c>nativeffn</c> but for <c>error.type</c>,
/// and counters begin at 0 before anything has happened. The warm-up is not counted. Allocates nothing. A listener that throws costs no
/// request its answer: its exception ends here.
/// </remarks>
internal sealed class FfnMetrics : IDisposable
{
    public const string MeterName = "NativeFfn";

    private const string EngineTag = ForwardTags.Engine;
    private const string LayerTag = ForwardTags.Layer;
    private const string ModelTag = "nativeffn.model";
    private const string ExpertTag = "nativeffn.expert";
    private const string ErrorTag = "error.type";

    // Powers of two up to well past any batch.
    private static readonly InstrumentAdvice<int> Counts = new()
    {
        HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    };

    // From a small layer's forward to a long queue, two for each power of ten and one between.
    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries =
        [
            0.000001, 0.0000025, 0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
            0.1, 0.25, 0.5, 1, 2.5, 5, 10,
        ],
    };

    private readonly Meter? _own;
    private readonly Histogram<double> _queueTime;
    private readonly Histogram<int> _batchTokens;
    private readonly Histogram<int> _batchRequests;
    private readonly Histogram<double> _forwardTime;
    private readonly Counter<long> _tokens;
    private readonly Counter<long> _rejections;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _reloads;
    private readonly Counter<long> _loads;
    private readonly Counter<long> _unloads;
    private ImmutableList<FfnRuntime> _engines = [];

    /// <summary>Makes the instruments.</summary>
    /// <param name="factory">The server's meters; null for one of our own.</param>
    public FfnMetrics(IMeterFactory? factory)
    {
        Meter meter = factory?.Create(MeterName) ?? (_own = new Meter(MeterName));
        _queueTime = meter.CreateHistogram(
            "nativeffn.queue.duration", "s", "How long requests waited before they were run.", advice: Seconds);
        _batchTokens = meter.CreateHistogram("nativeffn.batch.size", "{token}", "Tokens that were run together.", advice: Counts);
        _batchRequests = meter.CreateHistogram("nativeffn.batch.requests", "{request}", "Requests that were run together.", advice: Counts);
        _forwardTime = meter.CreateHistogram(
            "nativeffn.forward.duration", "s", "How long forwards ran, gathering included; direct ones on their callers' threads.",
            advice: Seconds);
        _tokens = meter.CreateCounter<long>("nativeffn.tokens", "{token}", "Tokens that were answered.");
        _rejections = meter.CreateCounter<long>("nativeffn.rejections", "{request}", "Requests that were not run, by reason.");
        _failures = meter.CreateCounter<long>("nativeffn.failures", "{request}", "Requests that failed while they ran, by exception.");
        _reloads = meter.CreateCounter<long>("nativeffn.model.reloads", "{reload}", "Models that were replaced while others were served.");
        _loads = meter.CreateCounter<long>("nativeffn.model.loads", "{load}", "Unloaded models that were loaded when they were asked for.");
        _unloads = meter.CreateCounter<long>("nativeffn.model.unloads", "{unload}", "Models that made room for others.");
        meter.CreateObservableUpDownCounter(
            "nativeffn.queue.usage", () => Observe(static engine => engine.WaitingTokens), "{token}", "Tokens that wait.");
        meter.CreateObservableUpDownCounter(
            "nativeffn.queue.limit", () => Observe(static engine => engine.Options.Batching.QueueCapacityTokens), "{token}",
            "Tokens that may wait.");
        meter.CreateObservableUpDownCounter("nativeffn.weights.size", ObserveWeights, "By", "Bytes that a layer's weights occupy.");
        meter.CreateObservableCounter(
            "nativeffn.collective.duration", () => ObserveRanks(static totals => totals.Time.TotalSeconds), "s",
            "How long rank 0 was in operations with other ranks.");
        meter.CreateObservableCounter(
            "nativeffn.collective.io", () => ObserveRanks(static totals => totals.Bytes), "By",
            "Bytes that rank 0 exchanged with other ranks.");
        meter.CreateObservableCounter("nativeffn.expert.tokens", ObserveExperts, "{token}", "Tokens that a mixture's experts were sent.");
        meter.CreateObservableGauge(
            "nativeffn.expert.imbalance", ObserveImbalance, "1", "Tokens of a mixture's busiest expert over those of the average one.");
    }

    public void Add(FfnRuntime engine)
    {
        ImmutableInterlocked.Update(ref _engines, static (engines, added) => engines.Add(added), engine);
        foreach (ServedLayer layer in engine.ServedLayers)
        {
            BeginAtZero(layer);
        }
    }

    public void Remove(FfnRuntime engine) =>
        ImmutableInterlocked.Update(ref _engines, static (engines, gone) => engines.Remove(gone), engine);

    /// <summary>A layer is served: the rate of what has not happened to it yet is 0 and not absent.</summary>
    public void BeginAtZero(ServedLayer layer)
    {
        try
        {
            // Which exceptions a forward can fail with nobody knows.
            foreach (FfnMode mode in layer.Info.Spec.Modes)
            {
                _tokens.Add(0, layer.Queue(mode).Tags.All);
                _failures.Add(0, layer.Queue(mode).Tags.All);
            }

            foreach (Counter<long> changes in (Counter<long>[])[_reloads, _loads, _unloads])
            {
                changes.Add(0, Engine(layer), new(ModelTag, layer.Info.Model));
            }

            foreach (string reason in RejectionReason.All)
            {
                _rejections.Add(0, Engine(layer), Layer(layer), new(ErrorTag, reason));
            }
        }
        catch (Exception)
        {
            // A listener's own.
        }
    }

    /// <summary>A model was replaced, or could not be.</summary>
    public void Reloaded(string engine, string model, Exception? failure) => Changed(_reloads, engine, model, failure);

    /// <summary>An unloaded model was loaded, or could not be.</summary>
    public void Loaded(string engine, string model, Exception? failure) => Changed(_loads, engine, model, failure);

    /// <summary>A model made room for another one.</summary>
    public void Unloaded(string engine, string model) => Changed(_unloads, engine, model, failure: null);

    /// <summary>A request was not run.</summary>
    public void Rejected(LayerQueue queue, string reason) => Rejected(queue.Layer.Engine, queue.Layer.Info.Name, reason);

    /// <summary>A request was not run.</summary>
    public void Rejected(string engine, string layer, string reason)
    {
        try
        {
            _rejections.Add(1, new(EngineTag, engine), new(LayerTag, layer), new(ErrorTag, reason));
        }
        catch (Exception)
        {
            // A listener's own.
        }
    }

    /// <summary>Requests were run together, or one on its caller's thread.</summary>
    public void Executed(LayerQueue queue, int tokens, int requests, TimeSpan elapsed, bool isDirect)
    {
        if (!queue.Layer.IsCounting)
        {
            return;
        }

        try
        {
            _batchTokens.Record(tokens, queue.Tags.All);
            _batchRequests.Record(requests, queue.Tags.All);
            _forwardTime.Record(elapsed.TotalSeconds, queue.Tags.With(isDirect));
        }
        catch (Exception)
        {
            // A listener's own.
        }
    }

    /// <summary>A request was run, with or without success.</summary>
    public void Finished(LayerQueue queue, int tokens, TimeSpan waited, Exception? failure)
    {
        if (!queue.Layer.IsCounting)
        {
            return;
        }

        try
        {
            _queueTime.Record(waited.TotalSeconds, queue.Tags.All);
            if (failure is null)
            {
                _tokens.Add(tokens, queue.Tags.All);
            }
            else
            {
                _failures.Add(1, [.. queue.Tags.All, new(ErrorTag, failure.GetType().FullName)]);
            }
        }
        catch (Exception)
        {
            // A listener's own.
        }
    }

    public void Dispose() => _own?.Dispose();

    private static void Changed(Counter<long> changes, string engine, string model, Exception? failure)
    {
        try
        {
            KeyValuePair<string, object?> named = new(EngineTag, engine);
            if (failure is null)
            {
                changes.Add(1, named, new(ModelTag, model));
            }
            else
            {
                changes.Add(1, named, new(ModelTag, model), new(ErrorTag, failure.GetType().FullName));
            }
        }
        catch (Exception)
        {
            // A listener's own.
        }
    }

    private static KeyValuePair<string, object?> Engine(ServedLayer layer) => new(EngineTag, layer.Engine);

    private static KeyValuePair<string, object?> Layer(ServedLayer layer) => new(LayerTag, layer.Info.Name);

    private IEnumerable<Measurement<int>> Observe(Func<FfnRuntime, int> value) =>
        _engines.Select(engine => new Measurement<int>(value(engine), new KeyValuePair<string, object?>(EngineTag, engine.Name)));

    // Nothing where layers are whole.
    private IEnumerable<Measurement<T>> ObserveRanks<T>(Func<FfnCollectiveTotals, T> value)
        where T : struct =>
        from engine in _engines
        where engine.Open is { Engine.Ranks: > 1 }
        select new Measurement<T>(value(engine.Open!.Engine.Collectives), new KeyValuePair<string, object?>(EngineTag, engine.Name));

    private IEnumerable<Measurement<long>> ObserveWeights() =>
        from layer in Layers()
        select new Measurement<long>(layer.Info.WeightBytes, Engine(layer), Layer(layer));

    private IEnumerable<Measurement<long>> ObserveExperts() =>
        from mixture in Mixtures()
        from expert in Enumerable.Range(0, mixture.Tokens.Length)
        select new Measurement<long>(
            mixture.Tokens[expert], Engine(mixture.Layer), Layer(mixture.Layer), new KeyValuePair<string, object?>(ExpertTag, expert));

    // Nothing can be out of balance before the first token.
    private IEnumerable<Measurement<double>> ObserveImbalance() =>
        from mixture in Mixtures()
        where mixture.Tokens.Any(static tokens => tokens > 0)
        select new Measurement<double>(mixture.Tokens.Max() / mixture.Tokens.Average(), Engine(mixture.Layer), Layer(mixture.Layer));

    private IEnumerable<ServedLayer> Layers() => _engines.SelectMany(static engine => engine.ServedLayers);

    private IEnumerable<(ServedLayer Layer, long[] Tokens)> Mixtures() =>
        from layer in Layers()
        where layer.Info.Spec.Mixture is not null
        select (layer, layer.ReadExpertTokens());
}
