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
        if (!Source.HasListeners())
        {
            return;
        }

        try
        {
            DateTimeOffset arrived = time.GetUtcNow() - time.GetElapsedTime(request.ArrivedAt);
            using Activity? activity = Source.StartActivity("nativeffn.forward", ActivityKind.Internal, request.Parent, startTime: arrived);
            activity?.SetTag("nativeffn.engine", request.Queue.Layer.Engine)
                .SetTag("nativeffn.layer", request.Queue.Layer.Info.Name)
                .SetTag("nativeffn.mode", request.Queue.Mode.ToString())
                .SetTag("nativeffn.tokens", request.Tokens)
                .SetTag("nativeffn.batch.tokens", batchTokens)
                .SetTag("nativeffn.queue.seconds", waited.TotalSeconds)
                .SetStatus(request.Failure is null ? ActivityStatusCode.Unset : ActivityStatusCode.Error, request.Failure?.Message);
        }
        catch (Exception)
        {
            // A listener's own, which costs no request its answer.
        }
    }
}
