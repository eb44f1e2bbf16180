namespace NativeFfn.Hosting;

/// <summary>What one request asks for beyond the layer.</summary>
/// <param name="Mode">What is computed; the residual of <see cref="FfnMode.Residual"/> is the input.</param>
/// <param name="Deadline">
/// How long the request may wait before it is run, from the call on; null means <see cref="FfnBatchingOptions.DefaultDeadline"/>, and
/// <see cref="Timeout.InfiniteTimeSpan"/> none. A request that runs is never interrupted.
/// </param>
/// <param name="Priority">Which of the requests that wait go first.</param>
public readonly record struct FfnRequestOptions(
    FfnMode Mode = FfnMode.Ffn, TimeSpan? Deadline = null, FfnPriority Priority = FfnPriority.Normal);
