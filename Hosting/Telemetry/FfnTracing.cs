using System.Diagnostics;
using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Telemetry;

/// <summary>The activity source <c>NativeFfn</c>: one activity for each request that was run, from its call to its answer.</summary>
/// <remarks>
/// It is made when the request is done, under the activity of its caller: a request changes threads, and an activity that was started on
/// the caller's would stay the current one there.
/// </remarks>
internal static class FfnTracing
{
    public const string SourceName = "NativeFfn";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>The activity that the calling code is in, if anybody listens.</summary>
    public static ActivityContext ParentOfRequest() =>
        Source.HasListeners() && Activity.Current is { } current ? current.Context : default;

    /// <summary>Records a request that was run, if anybody listens.</summary>
    public static void Record(FfnRequest request, int batchTokens, TimeSpan waited, TimeProvider time)
    {
        if (Source.HasListeners())
        {
            Record(request.Queue, request.Tokens, batchTokens, request.ArrivedAt, waited, request.Parent, request.Failure, time);
        }
    }

    /// <summary>Records a request that was run on its caller's thread, if anybody listens.</summary>
    public static void Record(LayerQueue queue, int tokens, long arrivedAt, ActivityContext parent, Exception? failure, TimeProvider time)
    {
        if (Source.HasListeners())
        {
            Record(queue, tokens, tokens, arrivedAt, TimeSpan.Zero, parent, failure, time);
        }
    }

    private static void Record(
        LayerQueue queue, int tokens, int batchTokens, long arrivedAt, TimeSpan waited, ActivityContext parent, Exception? failure,
        TimeProvider time)
    {
        try
        {
            DateTimeOffset arrived = time.GetUtcNow() - time.GetElapsedTime(arrivedAt);
            using Activity? activity = Source.StartActivity("nativeffn.forward", ActivityKind.Internal, parent, startTime: arrived);
            activity?.SetTag("nativeffn.engine", queue.Layer.Engine)
                .SetTag("nativeffn.layer", queue.Layer.Info.Name)
                .SetTag("nativeffn.mode", queue.Mode.ToString())
                .SetTag("nativeffn.tokens", tokens)
                .SetTag("nativeffn.batch.tokens", batchTokens)
                .SetTag("nativeffn.queue.seconds", waited.TotalSeconds)
                .SetStatus(failure is null ? ActivityStatusCode.Unset : ActivityStatusCode.Error, failure?.Message);
        }
        catch (Exception)
        {
            // A listener's own, which costs no request its answer.
        }
    }
}
