using System.Collections.Immutable;

namespace NativeFfn.Hosting;

/// <summary>Every option's key with the values that it may have: what errors tell, and what the documentation is held against.</summary>
internal static class OptionTable
{
    public const int MaxBatchTokens = 65_536;
    public const int MaxQueueTokens = 16_777_216;

    /// <summary>More GPUs than a machine has; a bound against a mistyped number.</summary>
    public const int MaxDevice = 1023;

    /// <summary>A bound against 5, which as a <see cref="TimeSpan"/> is five days, where 5 ms were meant.</summary>
    public static readonly TimeSpan MaxQueueDelay = TimeSpan.FromSeconds(10);

    public static readonly TimeSpan MaxWait = TimeSpan.FromHours(1);

    /// <summary>The placeholder of a model's name in keys.</summary>
    public const string AnyModel = "NAME";

    private const string Boolean = "true, false";

    public static ImmutableArray<(string Key, string Allowed)> All { get; } =
    [
        (nameof(NativeFfnOptions.Backend), string.Join(", ", BackendNames.All)),
        (nameof(NativeFfnOptions.Threads), $"1 to {FfnEngineOptions.MaxThreads}, or 0 for the processors this process may use"),
        (nameof(NativeFfnOptions.Kernel), string.Join(", ", CpuKernelNames.All)),
        (nameof(NativeFfnOptions.Precision), string.Join(", ", FfnPrecisionNames.All)),
        (nameof(NativeFfnOptions.MklPath), "a libmkl_rt file or its folder"),
        (nameof(NativeFfnOptions.Device), $"0 to {MaxDevice}"),
        (nameof(NativeFfnOptions.CudaPath), "the folder of libcublasLt and libnvrtc"),
        (nameof(NativeFfnOptions.Autotune), Boolean),
        (ModelKey(nameof(FfnModelOptions.Path)), "a checkpoint's folder, or its safetensors file or index"),
        (ModelKey(nameof(FfnModelOptions.Layers)), Serving.LayerSelection.Allowed),
        (BatchingKey(nameof(FfnBatchingOptions.Enabled)), Boolean),
        (BatchingKey(nameof(FfnBatchingOptions.MaxBatchTokens)), $"1 to {MaxBatchTokens}"),
        (BatchingKey(nameof(FfnBatchingOptions.MaxQueueDelay)), $"{TimeSpan.Zero} to {MaxQueueDelay}"),
        (BatchingKey(nameof(FfnBatchingOptions.QueueCapacityTokens)), $"MaxBatchTokens to {MaxQueueTokens}"),
        (BatchingKey(nameof(FfnBatchingOptions.QueueCapacityTime)), $"longer than MaxQueueDelay, to {MaxWait}"),
        (BatchingKey(nameof(FfnBatchingOptions.DefaultDeadline)), $"longer than MaxQueueDelay, to {MaxWait}"),
        (BatchingKey(nameof(FfnBatchingOptions.BatchInvariant)), Boolean),
        (WarmupKey(nameof(FfnWarmupOptions.Enabled)), Boolean),
        (WarmupKey(nameof(FfnWarmupOptions.Tokens)), "a list of 1 to QueueCapacityTokens"),
        (nameof(NativeFfnOptions.DrainTimeout), $"{TimeSpan.Zero} to {MaxWait}"),
    ];

    public static string ModelKey(string option, string model = AnyModel) => $"{nameof(NativeFfnOptions.Models)}:{model}:{option}";

    public static string BatchingKey(string option) => $"{nameof(NativeFfnOptions.Batching)}:{option}";

    public static string WarmupKey(string option) => $"{nameof(NativeFfnOptions.Warmup)}:{option}";

    /// <summary>What a key may be set to.</summary>
    public static string AllowedOf(string key) => All.Single(option => option.Key == key).Allowed;
}
