namespace NativeFfn.Hosting;

/// <summary>An engine, its models, and how requests are queued: the configuration section <c>NativeFfn</c>.</summary>
/// <remarks>Read once, at start; later changes of the configuration have no effect.</remarks>
public sealed class NativeFfnOptions
{
    /// <summary>The section that is read where no other is named.</summary>
    public const string SectionName = "NativeFfn";

    /// <summary>The backend: a spelling of <see cref="BackendNames"/>. Only <c>auto</c> falls back, and the log says why.</summary>
    public string Backend { get; set; } = "auto";

    /// <summary>Threads that one forward may use; 0 means the processors this process may use.</summary>
    public int Threads { get; set; }

    /// <summary>What multiplies: a spelling of <see cref="CpuKernelNames"/>.</summary>
    public string Kernel { get; set; } = "auto";

    /// <summary>How matrices are kept in memory: a spelling of <see cref="FfnPrecisionNames"/>.</summary>
    public string Precision { get; set; } = "f32";

    /// <summary>The file or folder of <c>libmkl_rt</c> to use and no other; null looks in the usual places.</summary>
    public string? MklPath { get; set; }

    /// <summary>The GPU of the cuBLAS backend, by the number that CUDA gives it, from 0.</summary>
    public int Device { get; set; }

    /// <summary>The folder of <c>libcublasLt</c> and <c>libnvrtc</c> to use and no other; null looks in the usual places.</summary>
    public string? CudaPath { get; set; }

    /// <summary>Whether the warm-up times the algorithms that cuBLASLt proposes and keeps the fastest.</summary>
    public bool Autotune { get; set; }

    /// <summary>The models by the names that requests use; at least one.</summary>
    public IDictionary<string, FfnModelOptions> Models { get; } = new Dictionary<string, FfnModelOptions>(StringComparer.Ordinal);

    /// <summary>How waiting requests are run together.</summary>
    public FfnBatchingOptions Batching { get; } = new();

    /// <summary>What is run before the first request.</summary>
    public FfnWarmupOptions Warmup { get; } = new();

    /// <summary>How long waiting requests are let finish at shutdown; those left then fail. Keep it under the host's own <c>ShutdownTimeout</c>.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>The configuration path that errors name.</summary>
    internal string Section { get; set; } = SectionName;

    /// <summary>Adds a layer made by code to a model, after those that the model has.</summary>
    /// <param name="model">The model's name.</param>
    /// <param name="spec">The layer.</param>
    /// <param name="weights">Its weights, read once at start.</param>
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
