namespace NativeFfn.Hosting;

/// <summary>An engine, its models, and how requests are queued: the configuration section <c>NativeFfn</c>.</summary>
/// <remarks>Read at start. Of later changes only those of <see cref="Models"/> have an effect (<see cref="IFfnModels"/>).</remarks>
public sealed class NativeFfnOptions
{
    /// <summary>The section that is read where no other is named.</summary>
    public const string SectionName = "NativeFfn";

    /// <summary>The models by the names that requests use; at least one.</summary>
    public IDictionary<string, FfnModelOptions> Models { get; } = new Dictionary<string, FfnModelOptions>(StringComparer.Ordinal);

    /// <summary>How waiting requests are run together.</summary>
    public FfnBatchingOptions Batching { get; } = new();

    /// <summary>What is run before the first request.</summary>
    public FfnWarmupOptions Warmup { get; } = new();

    /// <summary>
    /// Bytes that the weights of all models may occupy together; 0 for any number. Where another model needs the room, the one that was
    /// asked for longest ago of those that <see cref="FfnModelOptions.MayUnload"/> is unloaded, and loaded again when a request asks for
    /// it. While a layer is being loaded whose size is not known yet, it is in memory beyond the bound. Rows and scratch memory are not
    /// counted.
    /// </summary>
    public long MaxWeightBytes { get; set; }

    /// <summary>
    /// How long waiting requests are let finish at shutdown; those left then fail. Keep it under the host's own <c>ShutdownTimeout</c>.
    /// </summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How the engine is opened; in configuration, its options are keys of the section itself.</summary>
    internal FfnEngineOptions Engine { get; set; } = new();

    /// <summary>The configuration path that errors name.</summary>
    internal string Section { get; set; } = SectionName;

    /// <summary>Changes how the engine is opened.</summary>
    /// <param name="change">Makes the engine's options from those so far.</param>
    /// <returns>These options.</returns>
    public NativeFfnOptions ConfigureEngine(Func<FfnEngineOptions, FfnEngineOptions> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        Engine = change(Engine);
        return this;
    }

    /// <summary>Adds a layer made by code to a model, after those that the model has.</summary>
    /// <param name="model">The model's name.</param>
    /// <param name="spec">The layer.</param>
    /// <param name="weights">Its weights, read at start and when the model is replaced.</param>
    /// <returns>These options.</returns>
    public NativeFfnOptions AddLayer(string model, FfnSpec spec, IFfnWeightSource weights)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(weights);
        if (!Models.TryGetValue(model, out FfnModelOptions? options))
        {
            options = new FfnModelOptions();
            Models.Add(model, options);
        }

        options.MadeByCode.Add((spec, weights));
        return this;
    }
}
