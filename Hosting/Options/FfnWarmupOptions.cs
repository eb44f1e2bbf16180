namespace NativeFfn.Hosting;

/// <summary>What is run before the first request, so that it finds code compiled and memory in place.</summary>
public sealed class FfnWarmupOptions
{
    /// <summary>Whether every layer is run, in every mode that it has, before the server is ready.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// The token counts that are run, the largest first; null means 1 and the most that are run together,
    /// <see cref="FfnBatchingOptions.MaxBatchTokens"/> (64 at most with <see cref="FfnBatchingOptions.BatchInvariant"/>).
    /// </summary>
    public int[]? Tokens { get; set; }
}
