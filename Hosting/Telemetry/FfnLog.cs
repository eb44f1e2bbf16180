using Microsoft.Extensions.Logging;

namespace NativeFfn.Hosting.Telemetry;

/// <summary>What is logged, in the category <c>NativeFfn</c>. Nothing is logged for single requests: metrics count those.</summary>
internal static partial class FfnLog
{
    public const string Category = "NativeFfn";

    [LoggerMessage(1, LogLevel.Information, "Engine '{Engine}' opened: {Selection}")]
    public static partial void Opened(ILogger logger, string engine, string selection);

    [LoggerMessage(
        2,
        LogLevel.Information,
        "Engine '{Engine}' loaded layer {Layer}: {Spec}, {WeightBytes} bytes of weights kept as {Encodings}, multiplied by {Gemms}")]
    public static partial void Loaded(
        ILogger logger, string engine, string layer, FfnSpec spec, long weightBytes, string encodings, string gemms);

    [LoggerMessage(16, LogLevel.Information, "Engine '{Engine}' put the weights of layer {Layer} on NUMA nodes: {Placement}")]
    public static partial void Placed(ILogger logger, string engine, string layer, string placement);

    [LoggerMessage(
        3, LogLevel.Information, "Engine '{Engine}' is ready after {Seconds:0.0} s: {Layers} layers, {WeightBytes} bytes of weights")]
    public static partial void Ready(ILogger logger, string engine, double seconds, int layers, long weightBytes);

    [LoggerMessage(4, LogLevel.Error, "Engine '{Engine}' failed to warm up and takes no requests")]
    public static partial void WarmupFailed(ILogger logger, string engine, Exception exception);

    [LoggerMessage(5, LogLevel.Critical, "Engine '{Engine}' broke and takes no more requests; restart the process")]
    public static partial void Broke(ILogger logger, string engine, Exception exception);

    [LoggerMessage(6, LogLevel.Information, "Engine '{Engine}' drains: {WaitingTokens} tokens wait")]
    public static partial void Draining(ILogger logger, string engine, int waitingTokens);

    [LoggerMessage(7, LogLevel.Information, "Engine '{Engine}' is drained")]
    public static partial void Drained(ILogger logger, string engine);

    [LoggerMessage(8, LogLevel.Warning, "Engine '{Engine}' was not drained in time: {Requests} waiting requests were failed")]
    public static partial void DrainTimedOut(ILogger logger, string engine, int requests);

    [LoggerMessage(
        9, LogLevel.Warning,
        "Engine '{Engine}': rows of layer {Layer} depend on what they are run with here; for the same bits in any company its requests " +
        "run alone")]
    public static partial void RunsAlone(ILogger logger, string engine, string layer);

    [LoggerMessage(
        10, LogLevel.Information,
        "Engine '{Engine}' serves model '{Model}' anew after {Seconds:0.0} s: {Layers} layers, {WeightBytes} bytes of weights")]
    public static partial void Replaced(ILogger logger, string engine, string model, double seconds, int layers, long weightBytes);

    [LoggerMessage(12, LogLevel.Information, "Engine '{Engine}' is rank {Rank} of {Ranks} and follows rank 0, which takes the requests")]
    public static partial void Following(ILogger logger, string engine, int rank, int ranks);

    [LoggerMessage(11, LogLevel.Error, "Engine '{Engine}' could not replace model '{Model}', which is served as before")]
    public static partial void NotReplaced(ILogger logger, string engine, string model, Exception exception);

    [LoggerMessage(
        15, LogLevel.Information,
        "Engine '{Engine}' loaded model '{Model}' on demand in {Seconds:0.0} s: {Layers} layers, {WeightBytes} bytes of weights")]
    public static partial void LoadedOnDemand(ILogger logger, string engine, string model, double seconds, int layers, long weightBytes);

    [LoggerMessage(13, LogLevel.Error, "Engine '{Engine}' could not load model '{Model}' on demand")]
    public static partial void NotLoaded(ILogger logger, string engine, string model, Exception exception);

    [LoggerMessage(
        14, LogLevel.Information,
        "Engine '{Engine}' unloaded model '{Model}' to make room: {Layers} layers, {WeightBytes} bytes of weights")]
    public static partial void Unloaded(ILogger logger, string engine, string model, int layers, long weightBytes);
}
