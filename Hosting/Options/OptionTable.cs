using System.Collections.Immutable;
using NativeFfn.Checkpoints;

namespace NativeFfn.Hosting;

/// <summary>Every option of the section, described once: what binds, checks and documents it.</summary>
internal static class OptionTable
{
    public const int MaxBatchTokens = 65_536;
    public const int MaxQueueTokens = 16_777_216;
    public const int MaxConcurrentBatches = 1024;
    public const double MinWeight = 0.001;
    public const double MaxWeight = 1000;

    /// <summary>A bound against 5, which as a <see cref="TimeSpan"/> is five days, where 5 ms were meant.</summary>
    public static readonly TimeSpan MaxQueueDelay = TimeSpan.FromSeconds(10);

    public static readonly TimeSpan MaxWait = TimeSpan.FromHours(1);

    /// <summary>The placeholder of a model's name in keys.</summary>
    public const string AnyModel = "NAME";

    private const string Boolean = "true, false";
    private static readonly string WaitAllowed = $"longer than MaxQueueDelay, to {MaxWait}";

    /// <summary>The engine's options in this section; a CUDA context comes from code.</summary>
    public static ImmutableArray<FfnEngineOption> OfEngine { get; } =
        [.. FfnEngineOption.All.Where(static option => option.Name != nameof(FfnEngineOptions.CudaContext))];

    public static ImmutableArray<HostOption> All { get; } =
    [
        .. OfEngine.Select(static option => new HostOption(
            option.Name, option.Allowed, option.Description, options => option.ValueOf(options.Engine))
        {
            IsAllowed = options => option.IsAllowed(options.Engine),
        }),
        new(ModelKey(nameof(FfnModelOptions.Path)), "a checkpoint's folder, or its safetensors file or index", "Needed.", static _ => null),
        new(ModelKey(nameof(FfnModelOptions.Layers)), LayerSelection.Allowed, "All if left out.", static _ => null),
        new(ModelKey(nameof(FfnModelOptions.Tower)), string.Join(", ", Names<CheckpointTower>.All),
            "The text model, or encoder and decoder together, if left out.", static _ => null),
        new(ModelKey(nameof(FfnModelOptions.Weight)), $"{MinWeight} to {MaxWeight}", "Its part of the time beside other models.",
            static _ => new FfnModelOptions().Weight),
        new(ModelKey(nameof(FfnModelOptions.MayUnload)), Boolean, "Whether it may go where MaxWeightBytes leaves no room.",
            static _ => new FfnModelOptions().MayUnload),
        new(nameof(NativeFfnOptions.MaxWeightBytes), "at least 1, or 0 for any number", "Bytes of all models' weights in memory.",
            static options => options.MaxWeightBytes)
        {
            IsAllowed = static options => options.MaxWeightBytes >= 0,
        },
        new(BatchingKey(nameof(FfnBatchingOptions.Enabled)), Boolean, "Else every request runs alone.",
            static options => options.Batching.Enabled),
        new(BatchingKey(nameof(FfnBatchingOptions.MaxBatchTokens)), $"1 to {MaxBatchTokens}", "A larger request runs alone.",
            static options => options.Batching.MaxBatchTokens)
        {
            IsAllowed = static options => options.Batching.MaxBatchTokens is >= 1 and <= MaxBatchTokens,
        },
        new(BatchingKey(nameof(FfnBatchingOptions.MaxConcurrentBatches)), $"1 to {MaxConcurrentBatches}, or 0 for the processors",
            "Small forwards at a time; 0 is 1 on a GPU.", static options => options.Batching.MaxConcurrentBatches)
        {
            IsAllowed = static options => options.Batching.MaxConcurrentBatches is >= 0 and <= MaxConcurrentBatches,
        },
        new(BatchingKey(nameof(FfnBatchingOptions.MaxQueueDelay)), $"{TimeSpan.Zero} to {MaxQueueDelay}",
            "How long an idle engine waits for a batch to fill.", static options => options.Batching.MaxQueueDelay)
        {
            IsAllowed = static options =>
                options.Batching.MaxQueueDelay >= TimeSpan.Zero && options.Batching.MaxQueueDelay <= MaxQueueDelay,
        },
        new(BatchingKey(nameof(FfnBatchingOptions.QueueCapacityTokens)), $"MaxBatchTokens to {MaxQueueTokens}",
            "More waiting tokens are refused.", static options => options.Batching.QueueCapacityTokens)
        {
            IsAllowed = static options =>
                options.Batching.QueueCapacityTokens >= options.Batching.MaxBatchTokens
                && options.Batching.QueueCapacityTokens <= MaxQueueTokens,
        },
        new(BatchingKey(nameof(FfnBatchingOptions.QueueCapacityTime)), WaitAllowed, "Who would wait longer is refused.",
            static options => options.Batching.QueueCapacityTime)
        {
            IsAllowed = static options => IsWait(options, options.Batching.QueueCapacityTime),
        },
        new(BatchingKey(nameof(FfnBatchingOptions.DefaultDeadline)), WaitAllowed, "As long as it takes if left out.",
            static options => options.Batching.DefaultDeadline)
        {
            IsAllowed = static options => IsWait(options, options.Batching.DefaultDeadline),
        },
        new(BatchingKey(nameof(FfnBatchingOptions.BatchInvariant)), Boolean, "Few tokens then cost as much as many.",
            static options => options.Batching.BatchInvariant),
        new(WarmupKey(nameof(FfnWarmupOptions.Enabled)), Boolean, "Every layer in every mode, before the server is ready.",
            static options => options.Warmup.Enabled),
        new(WarmupKey(nameof(FfnWarmupOptions.Tokens)), "a list of 1 to QueueCapacityTokens", "1 and MaxBatchTokens if left out.",
            static options => FirstBeyondQueue(options))
        {
            IsAllowed = static options => FirstBeyondQueue(options) is null,
        },
        new(nameof(NativeFfnOptions.DrainTimeout), $"{TimeSpan.Zero} to {MaxWait}", "Keep it under the host's ShutdownTimeout.",
            static options => options.DrainTimeout)
        {
            IsAllowed = static options => options.DrainTimeout >= TimeSpan.Zero && options.DrainTimeout <= MaxWait,
        },
    ];

    public static string ModelKey(string option, string model = AnyModel) => $"{nameof(NativeFfnOptions.Models)}:{model}:{option}";

    public static string BatchingKey(string option) => $"{nameof(NativeFfnOptions.Batching)}:{option}";

    public static string WarmupKey(string option) => $"{nameof(NativeFfnOptions.Warmup)}:{option}";

    /// <summary>What a key may be set to.</summary>
    public static string AllowedOf(string key) => All.Single(option => option.Key == key).Allowed;

    private static bool IsWait(NativeFfnOptions options, TimeSpan? wait) =>
        wait is null || (wait > options.Batching.MaxQueueDelay && wait <= MaxWait);

    private static int? FirstBeyondQueue(NativeFfnOptions options)
    {
        foreach (int tokens in options.Warmup.Tokens ?? [])
        {
            if (tokens < 1 || tokens > options.Batching.QueueCapacityTokens)
            {
                return tokens;
            }
        }

        return null;
    }
}
