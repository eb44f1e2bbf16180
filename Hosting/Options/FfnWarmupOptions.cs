namespace NativeFfn.Hosting;

/// <summary>What is run before the first request, so that it finds code compiled and memory in place.</summary>
public sealed class FfnWarmupOptions
{
    /// <summary>Whether every layer is run before the server is ready.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>The token counts that are run; null means 1 and <see cref="FfnBatchingOptions.MaxBatchTokens"/>.</summary>
    public int[]? Tokens { get; set; }
}
