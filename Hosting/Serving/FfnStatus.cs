namespace NativeFfn.Hosting.Serving;

/// <summary>Where an engine is in its life.</summary>
internal enum FfnState
{
    NotStarted,
    Starting,
    Ready,

    /// <summary>Another rank takes the requests, and this one runs its part of them.</summary>
    Following,

    /// <summary>The host is stopping: requests are still run, new clients should go elsewhere.</summary>
    Draining,
    Closed,

    /// <summary>The warm-up failed, or the engine broke.</summary>
    Failed,
}

/// <summary>A state with what the health check and refused requests say of it.</summary>
internal sealed record FfnStatus(FfnState State, string Description, Exception? Exception = null)
{
    public static FfnStatus NotStarted { get; } = new(FfnState.NotStarted, "The engine is not started yet.");

    public static FfnStatus Starting { get; } = new(FfnState.Starting, "The engine is loading its layers.");

    public static FfnStatus Following(int rank, int ranks) =>
        new(FfnState.Following, $"This is rank {rank} of {ranks}: it follows rank 0, which takes the requests.");

    public static FfnStatus Draining { get; } = new(FfnState.Draining, "The server is shutting down.");

    public static FfnStatus Closed { get; } = new(FfnState.Closed, "The engine is shut down.");

    public static FfnStatus Failed(string what, Exception exception) => new(FfnState.Failed, $"{what}: {exception.Message}", exception);

    public FfnUnavailableException ToException() => new(Description, Exception);
}
